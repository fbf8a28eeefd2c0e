"""New series: each has one number in every process, and a metric has no more than it may."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from support.servers import use_environment

from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import ingest, series
from watchfleet.metrics.batches import Written
from watchfleet.model import Kind, Sample

NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("environment")


def write(batch_id: str, *labels: str, name: str = "m", kind: Kind = Kind.GAUGE) -> Written:
    samples = [Sample(name, {"host": label}, kind, NOW.timestamp(), 1.0) for label in labels]
    with transaction() as connection:
        return ingest.write_samples(connection, batch_id, samples, NOW)


def rows(query: str) -> list[tuple[Any, ...]]:
    with transaction() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def forget() -> None:
    """Let this process be as one that just started."""
    series._memories.pop(get_engine(), None)


def test_a_series_has_one_number_however_many_make_it_at_once():
    barrier = threading.Barrier(6)

    def deliver(number: int) -> int:
        forget()
        barrier.wait()
        return write(f"b{number}", *(str(n) for n in range(number, number + 20))).accepted

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(deliver, range(6))) == [20] * 6
    assert rows("SELECT count(*), count(DISTINCT labels) FROM series") == [(25, 25)]
    assert rows("SELECT name, kind, series FROM metric") == [("m", "gauge", 25)]
    assert rows("SELECT count(*) FROM samples JOIN series ON series.id = series_id") == [(120,)]


def test_what_is_over_the_limit_lands_in_one_series_and_is_told_once(environment, caplog):
    use_environment(environment, SERIES_LIMIT="5")
    found = write("b1", *(str(n) for n in range(8)))
    assert (found.accepted, found.overflowed) == (8, 3)
    assert write("b2", "8", "9", "2").overflowed == 2
    forget()
    assert write("b3", "7", "3").overflowed == 1
    assert rows("SELECT series FROM metric") == [(5,)]
    landed = "SELECT count(*) FROM samples JOIN series ON series.id = series_id WHERE labels->>'other' <> ''"
    assert rows(landed) == [(6,)]
    assert len([record for record in caplog.records if "series_limit" in record.message]) == 1


def test_the_limit_holds_to_the_unit_however_many_make_series_at_once(environment):
    use_environment(environment, SERIES_LIMIT="50")
    barrier = threading.Barrier(6)

    def deliver(number: int) -> int:
        barrier.wait()
        return write(f"b{number}", *(f"{number}-{n}" for n in range(30))).overflowed

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(deliver, range(6))) == 6 * 30 - 50
    assert rows("SELECT count(*) FROM series") == [(51,)]


def test_counters_over_the_limit_are_no_counter_together(environment):
    use_environment(environment, SERIES_LIMIT="1")
    write("b1", "a", "b", "c", kind=Kind.COUNTER)
    assert rows("SELECT kind, labels FROM series ORDER BY id") == [
        ("counter", {"host": "a"}),
        ("gauge", {"other": "true"}),
    ]


def test_there_are_no_more_metrics_than_there_may_be(environment):
    use_environment(environment, METRIC_LIMIT="2")
    assert [write(name, "a", name=name).accepted for name in ("m1", "m2", "m1_x")] == [1, 1, 0]
    assert rows("SELECT reason FROM ingest_rejects") == [("metric_limit",)]
    assert write("again", "b", name="m1").accepted == 1


def test_a_metric_has_one_kind():
    assert write("b1", "a").accepted == 1
    assert write("b2", "a", kind=Kind.COUNTER).reasons == {"kind_mismatch": 1}
    assert write("b3", "new", kind=Kind.COUNTER).reasons == {"kind_mismatch": 1}
    forget()
    assert write("b4", "a", kind=Kind.EVENT).reasons == {"kind_mismatch": 1}


def test_a_process_remembers_a_bounded_number_of_series(monkeypatch):
    monkeypatch.setattr(series, "REMEMBERED", 10)
    for start in range(0, 60, 20):
        assert write(f"b{start}", *(str(n) for n in range(start, start + 20))).accepted == 20
    assert len(series._memory(get_engine())) == 10
    assert write("again", *(str(n) for n in range(60))).accepted == 60
    assert rows("SELECT count(*) FROM series") == [(60,)]


def test_a_flood_of_series_hurts_no_other_metric():
    write("before", "a", name="quiet")
    found = write("flood", *(f"{n:08x}" * 4 for n in range(30_000)), name="flooded")
    assert (found.accepted, found.overflowed) == (30_000, 20_000)
    assert write("after", "b", name="quiet").overflowed == 0
    assert rows("SELECT name, series FROM metric ORDER BY 1") == [("flooded", 10_000), ("quiet", 2)]


def test_lists_of_series_that_come_again_and_again_are_told_apart(monkeypatch):
    monkeypatch.setattr(series, "LISTS", 2)
    lists = [("a", "b"), ("b", "a"), ("a", "c"), ("a",), ("a", "b", "c")]
    for number in range(4):
        for place, hosts in enumerate(lists):
            found = write(f"{number}:{place}", *hosts, name="m1" if number % 2 else "m2")
            assert found.accepted == len(hosts)
    landed = rows(
        "SELECT name, labels->>'host', count(*) FROM samples JOIN series ON series.id = series_id"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    )
    expected = [("a", 10), ("b", 6), ("c", 4)]
    assert landed == [(name, *row) for name in ("m1", "m2") for row in expected]


def test_a_list_with_a_series_that_cannot_be_is_checked_each_time():
    write("good", "a")
    for number in range(3):
        assert write(f"b{number}", "a", kind=Kind.COUNTER).reasons == {"kind_mismatch": 1}
        assert write(f"c{number}", "a").accepted == 1
