"""Partitions come ahead of need and go with their retention, beside readers and writers."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from watchfleet.db import closed, partitions, schema
from watchfleet.db.engine import get_engine, transaction
from watchfleet.db.partitions import ALL, ROLLUPS, SAMPLES, Partitioned
from watchfleet.metrics import ingest, retention, rollups
from watchfleet.model import Kind, Sample

NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("environment")


def names(parent: Partitioned) -> list[str]:
    with transaction() as connection:
        return sorted(partitions.children(connection, parent.table))


def write(at: datetime, now: datetime) -> None:
    samples = [Sample("m", {}, Kind.GAUGE, at.timestamp(), 1.0)]
    with transaction() as connection:
        assert ingest.write_samples(connection, str(at), samples, now).accepted == 1


def scalar(query: str) -> object:
    with transaction() as connection:
        return connection.scalar(text(query))


def test_a_week_is_made_ahead_and_a_second_round_makes_nothing():
    kept = retention.keep(get_engine(), NOW)
    assert names(SAMPLES) == [f"samples_p202611{day}" for day in range(23, 31)]
    assert names(ROLLUPS[1]) == ["rollup_15m_p20261101"]
    assert names(ROLLUPS[3]) == ["rollup_24h_p20260101"]
    assert len(kept.made) == sum(len(names(parent)) for parent in ALL)
    assert retention.keep(get_engine(), NOW) == partitions.Kept()


def test_the_turn_of_the_year_is_made_ahead():
    retention.keep(get_engine(), datetime(2026, 12, 28, tzinfo=UTC))
    assert names(ROLLUPS[2]) == ["rollup_1h_p20261201", "rollup_1h_p20270101"]
    assert names(ROLLUPS[3]) == ["rollup_24h_p20260101", "rollup_24h_p20270101"]


def test_a_partition_has_the_indexes_of_its_table():
    partitions.ensure(get_engine(), ROLLUPS[0], {NOW.date()})
    query = "SELECT count(*) FROM pg_indexes WHERE tablename = 'rollup_5m_p20261123'"
    assert scalar(query) == 2
    query = "SELECT reloptions::text FROM pg_class WHERE relname LIKE 'samples_p%ts_idx' LIMIT 1"
    partitions.ensure(get_engine(), SAMPLES, {NOW.date()})
    assert scalar(query) == "{pages_per_range=32,autosummarize=on}"


def test_each_tier_is_kept_for_its_own_time():
    days = [NOW.date() - timedelta(days=ago) for ago in (0, 8, 9, 31, 32, 500)]
    for parent in ALL:
        partitions.ensure(get_engine(), parent, days)
    dropped = set(retention.keep(get_engine(), NOW).dropped)
    assert dropped == {
        *(SAMPLES.name(day) for day in days[1:]),
        *(partitions.EVENTS.name(day) for day in days[3:]),
        *(partitions.ACTIVITY.name(day) for day in days[1:]),
        *(ROLLUPS[0].name(day) for day in days[3:]),
        ROLLUPS[1].name(days[-1]),
        ROLLUPS[2].name(days[-1]),
    }
    assert ROLLUPS[3].name(days[-1]) in names(ROLLUPS[3])


def test_samples_that_are_not_rolled_up_yet_are_kept():
    write(NOW, NOW)
    later = NOW + timedelta(days=9)
    assert retention.keep(get_engine(), later).held == ["samples_p20261123"]
    rollups.drain(get_engine(), later)
    assert retention.keep(get_engine(), later).dropped == ["samples_p20261123"]
    assert scalar("SELECT sum(n) FROM rollup_24h") == 1


def test_an_open_reader_holds_a_drop_back_and_no_writer(monkeypatch):
    monkeypatch.setattr(partitions, "_DETACH_TIMEOUT", "SET lock_timeout = '200ms'")
    partitions.ensure(get_engine(), SAMPLES, {date(2026, 11, 1)})
    with transaction() as reader:
        reader.execute(text("SELECT count(*) FROM samples"))
        assert retention.keep(get_engine(), NOW).held == ["samples_p20261101"]
        write(NOW, NOW)
        write(NOW - timedelta(days=3), NOW)
    kept = retention.keep(get_engine(), NOW)
    assert "samples_p20261101" not in names(SAMPLES)
    assert scalar("SELECT to_regclass('samples_p20261101') IS NULL")
    assert kept.held == []


def test_a_table_that_was_detached_and_not_dropped_is_taken_back():
    write(NOW, NOW)
    with transaction() as connection:
        connection.execute(text("ALTER TABLE samples DETACH PARTITION samples_p20261123"))
    partitions.forget(get_engine())
    write(NOW + timedelta(seconds=1), NOW)
    assert scalar("SELECT count(*) FROM samples") == 2


def test_other_tables_in_the_database_are_left_alone():
    with transaction() as connection:
        connection.execute(text("CREATE TABLE samples_p20200101 (note text)"))
        connection.execute(
            text(
                "CREATE TABLE samples_old PARTITION OF samples"
                " FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')"
            )
        )
    assert retention.keep(get_engine(), NOW).dropped == []
    assert scalar("SELECT to_regclass('samples_old') IS NOT NULL")
    assert scalar("SELECT to_regclass('samples_p20200101') IS NOT NULL")


def test_old_batch_ids_and_rejects_go():
    write(NOW, NOW)
    with transaction() as connection:
        ingest.write(connection, "bad", None, NOW)
        connection.execute(text("UPDATE ingest_rejects SET created_at = :now"), {"now": NOW})
    retention.keep(get_engine(), NOW + timedelta(days=7))
    assert scalar("SELECT count(*) FROM ingest_batch") == 2
    retention.keep(get_engine(), NOW + timedelta(days=8, seconds=1))
    assert scalar("SELECT count(*) FROM ingest_batch") == 0
    assert scalar("SELECT count(*) FROM ingest_rejects") == 0


def test_a_day_that_is_over_gets_an_index_by_series():
    for ago in (0, 1, 2):
        write(NOW - timedelta(days=ago), NOW)
    indexed = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_indexes"
    indexed += " WHERE indexname LIKE 'ix_samples%series'"
    retention.keep(get_engine(), NOW)
    assert scalar(indexed) == "samples_p20261122"
    retention.keep(get_engine(), NOW)
    retention.keep(get_engine(), NOW)
    assert scalar(indexed) == "samples_p20261121 samples_p20261122"
    write(NOW - timedelta(days=1, seconds=1), NOW)
    with transaction() as connection:
        timeout = connection.execute(text("SHOW statement_timeout")).scalar_one()
        assert schema.differences(connection) == []
    assert timeout == "2min"


def test_what_an_interrupted_attempt_left_is_made_anew():
    write(NOW - timedelta(days=1), NOW)
    with transaction() as connection:
        connection.execute(text("CREATE INDEX ix_samples_p20261122_series ON samples_p20261122 (series_id)"))
        mark = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = CAST(:name AS regclass)"
        connection.execute(text(mark), {"name": "ix_samples_p20261122_series"})
    assert closed.index_one(get_engine(), NOW) == "samples_p20261122"
    assert closed.index_one(get_engine(), NOW) is None
    assert "(series_id, ts)" in str(scalar("SELECT pg_get_indexdef('ix_samples_p20261122_series'::regclass)"))
