"""Rollups equal what the samples give, in every tier, however these came."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from support.rollup_oracle import differences

from watchfleet.db import partitions
from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import ingest, marks, rollups
from watchfleet.metrics.rollup_verify import verify
from watchfleet.metrics.rollups import Advanced
from watchfleet.model import Kind, Sample
from watchfleet.settings import get_settings

NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)
LATER = NOW + timedelta(days=2)
"""When every bucket is over."""

KINDS = (Kind.GAUGE, Kind.COUNTER, Kind.DURATION, Kind.EVENT)

pytestmark = pytest.mark.usefixtures("environment")


def sample(ago: float, value: float = 1.0, host: str = "a", kind: Kind = Kind.GAUGE) -> Sample:
    return Sample(f"some_{kind}", {"host": host}, kind, NOW.timestamp() - ago, value)


def write(batch_id: str, samples: Sequence[Sample], now: datetime = NOW) -> None:
    with transaction() as connection:
        assert ingest.write_samples(connection, batch_id, samples, now).rejected == 0


def drain(now: datetime = LATER) -> Advanced:
    return rollups.drain(get_engine(), now)


def wrong() -> list[str]:
    with transaction() as connection:
        return differences(connection)


def rows(query: str) -> list[tuple[Any, ...]]:
    with transaction() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def scattered(rng: np.random.Generator, count: int, hours: float = 30) -> list[Sample]:
    ago = rng.uniform(0, hours * 3600, count)
    values = np.round(rng.lognormal(3, 2, count), 1)
    return [sample(float(ago[n]), float(values[n]), str(n % 5), KINDS[n % len(KINDS)]) for n in range(count)]


def test_every_tier_is_what_the_samples_give():
    write("b1", scattered(np.random.default_rng(1), 1500))
    drain()
    assert wrong() == []
    assert rows("SELECT count(*) FROM dirty_slice") == [(0,)]


def test_every_tier_stays_right_as_samples_come_late_and_in_pieces():
    rng = np.random.default_rng(2)
    for number in range(6):
        write(f"b{number}", scattered(rng, 300 if number % 2 else 3))
        drain(NOW if number < 3 else LATER)
    drain()
    assert wrong() == []


def test_the_oracle_sees_what_is_wrong():
    write("b1", scattered(np.random.default_rng(3), 200))
    drain()
    with transaction() as connection:
        connection.execute(text("UPDATE rollup_1h SET n = n + 1 WHERE series_id = 1"))
        connection.execute(text("DELETE FROM rollup_15m WHERE series_id = 2"))
        connection.execute(text("UPDATE rollup_24h SET histogram = '' WHERE series_id = 3"))
        connection.execute(text("UPDATE rollup_5m SET p50 = p50 * 1.001 WHERE series_id = 4"))
    found = "\n".join(wrong())
    for part in ("rollup_1h 1", "rollup_15m 2", "rollup_24h 3", "rollup_5m 4"):
        assert part in found


def test_a_second_drain_finds_nothing_to_do():
    write("b1", scattered(np.random.default_rng(4), 100))
    assert drain().steps > 0
    assert drain() == Advanced()


def test_the_newest_samples_are_in_the_finest_tier_at_once_and_above_within_its_refresh():
    write("b1", [sample(1)])
    drain(NOW)
    assert rows("SELECT n FROM rollup_5m") == [(1,)]
    assert rows("SELECT n FROM rollup_15m") == []
    drain(NOW + timedelta(minutes=1))
    assert rows("SELECT n FROM rollup_15m") == [(1,)]
    drain(NOW + timedelta(minutes=6))
    assert rows("SELECT n FROM rollup_1h") == [(1,)]
    drain(NOW + timedelta(minutes=100))
    assert rows("SELECT n FROM rollup_24h") == [(1,)]


def test_a_bucket_that_is_over_is_right_in_every_tier_after_one_drain():
    write("b1", [sample(86400)])
    drain(NOW)
    assert [rows(f"SELECT n FROM rollup_{label}") for label in ("5m", "15m", "1h", "24h")] == [[(1,)]] * 4


def test_a_few_late_samples_cost_their_series_only():
    many = [sample(7200, host=str(n)) for n in range(300)]
    write("b1", many)
    assert drain().rows == 4 * 300
    write("b2", [sample(7201, host="7")])
    assert drain().rows == 4
    assert wrong() == []


def test_a_clock_that_is_set_back_stops_nothing():
    write("b1", [sample(1)], NOW)
    drain(NOW)
    earlier = NOW - timedelta(hours=6)
    write("b2", [sample(6 * 3600 + 1, host="b")], earlier)
    drain(earlier)
    assert rows("SELECT count(*) FROM rollup_5m") == [(2,)]
    assert rows("SELECT count(*) FROM rollup_15m") == [(1,)]  # the mark from the future did not wait
    drain()
    assert wrong() == []


def test_values_that_are_no_numbers_are_kept_and_do_not_count():
    write("b1", [sample(7200, float("nan")), sample(7201, 2.0), sample(7202, float("inf"), "b")])
    drain()
    assert rows("SELECT n, sum FROM rollup_24h") == [(1, 2.0)]
    assert rows("SELECT count(*) FROM samples") == [(3,)]


def test_a_slice_without_any_number_stops_no_other():
    write("b1", [sample(7200, float("nan")), sample(7200 + 60, 1.0, "b"), sample(7200 + 8 * 3600, 1.0)])
    drain()
    write("b2", [sample(3600 * 6, float("nan"))])
    drain()
    assert rows("SELECT count(*) FROM dirty_slice") == [(0,)]
    assert wrong() == []


def test_what_was_rolled_up_from_dropped_samples_stays():
    write("b1", [sample(3600), sample(3601)])
    drain()
    with transaction() as connection:
        connection.execute(text("DROP TABLE samples_p20261123"))
        slice_ = marks.microseconds(NOW.replace(hour=11, minute=30, second=0))
        marks.put(connection, rollups.TIERS[0], np.array([slice_]), np.array([0]), NOW)
    drain()
    assert rows("SELECT sum(n) FROM rollup_5m") == [(2,)]
    assert rows("SELECT count(*) FROM dirty_slice") == [(0,)]


def test_a_range_with_many_samples_is_computed_in_parts(monkeypatch):
    monkeypatch.setattr(rollups, "MOST_SAMPLES", 100)
    write("b1", scattered(np.random.default_rng(5), 2000, hours=2))
    drain()
    assert wrong() == []


# --- who comes between whom


def test_a_sample_that_is_committed_after_a_tick_looked_is_in_the_next():
    with get_engine().connect() as writer:
        ingest.write_samples(writer, "b1", [sample(7200)], NOW)
        assert drain() == Advanced()
        writer.commit()
    drain()
    assert rows("SELECT n FROM rollup_5m") == [(1,)]


def test_a_sample_that_is_committed_while_its_slice_is_recomputed_is_in_the_next_tick():
    write("b1", [sample(7200)])
    tier = rollups.TIERS[0]
    start = marks.microseconds(NOW.replace(hour=10, minute=30, second=0))
    with get_engine().begin() as ticking:
        assert len(marks.take(ticking, tier, start, start + tier.width, LATER)) == 1
        write("b2", [sample(7201)])
    drain()  # the mark of b1 was consumed above, without its slice being recomputed
    assert rows("SELECT n FROM rollup_5m") == [(2,)]


def test_a_tick_that_dies_leaves_its_work_to_the_next():
    write("b1", scattered(np.random.default_rng(6), 100))
    before = rows("SELECT * FROM dirty_slice ORDER BY slice, series_id")
    with get_engine().connect() as dying:
        assert rollups.advance(dying, LATER).rows > 0
        dying.rollback()
    assert rows("SELECT count(*) FROM rollup_5m") == [(0,)]
    assert rows("SELECT * FROM dirty_slice ORDER BY slice, series_id") == before
    drain()
    assert wrong() == []


def test_two_workers_never_hold_one_shard_and_share_the_others():
    write("b1", [sample(7200), sample(7200 + 8 * 3600), sample(7200 + 3600)])
    with get_engine().connect() as first:
        assert rollups.advance(first, LATER).steps == 1
        done = drain()
        assert done.steps > 0
        assert rows("SELECT count(*) FROM rollup_5m") == [(1,)]  # two of the three hours are the first's
        first.commit()
    drain()
    assert wrong() == []


def test_what_a_process_forgot_about_partitions_does_not_matter():
    write("b1", [sample(86400)])
    with transaction() as connection:
        for table in ("rollup_5m", "rollup_15m", "rollup_1h", "rollup_24h"):
            connection.execute(text(f"SELECT * FROM {table}"))
        partitions.forget(get_engine())
        while rollups.advance(connection, LATER).steps:
            pass
    assert wrong() == []


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata"])
def test_days_of_a_time_zone_equal_their_samples(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIME_ZONE", zone)
    get_settings.cache_clear()
    write("b1", [sample(600.5 * n, float(n % 9), kind=Kind.COUNTER) for n in range(700)])
    drain()
    write("b2", [sample(333_333.0, 4.0, kind=Kind.COUNTER)])
    drain()
    day = "date_trunc('day', ts, :zone)"
    query = f"SELECT {day}, count(*), sum(value), min(value), max(value) FROM samples GROUP BY 1 ORDER BY 1"
    with transaction() as connection:
        truth = connection.execute(text(query), {"zone": zone}).all()
        found = connection.execute(text("SELECT bucket, n, sum, min, max FROM rollup_24h ORDER BY 1")).all()
    assert found == truth
    assert len(found) == 6
    assert verify(get_engine(), 1.0, Random(1)).different == 0
    get_settings.cache_clear()
