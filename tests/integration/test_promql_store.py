"""Queries over the store answer as the same queries over the same samples in memory."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Connection, text

from watchfleet import promql
from watchfleet.db.engine import transaction
from watchfleet.metrics import ingest
from watchfleet.model import Kind, Sample
from watchfleet.promql.store import StoreSeries

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
END = int(NOW.timestamp() * 1000)

pytestmark = pytest.mark.usefixtures("environment")

EXPRESSIONS = [
    "up",
    "up offset 7m",
    "up @ 1795434000",
    'up{job="api"}',
    'up{job!="api"}',
    'up{zone=""}',
    'up{zone!=""}',
    'up{job="api",job="db"}',
    'up{job=~"a.*|d."}',
    'up{job!~"a.*"}',
    'up{job="a\\x00b"}',
    '{__name__=~"requests.*|nothing"}',
    '{__name__!="up",job=~".+"}',
    '{job="db"}',
    'up{nothing="there"}',
    'up{"a\\x00b"="x"}',
    'up{"a\\x00b"=""}',
    'up{"a\\x00b"!="x"}',
    "absent(gone)",
    "sum by (job) (rate(requests_total[5m]))",
    "increase(requests_total[10m] offset 2m) / on (job, instance) group_left () up",
    "max_over_time(sum(up)[10m:1m])",
    "avg_over_time(up[3m]) > bool 0.5",
    "topk(2, requests_total)",
    "count_over_time(ends[15m])",
    "ends",
    "1 + 1",
    "up[2m]",
]


def samples() -> list[Sample]:
    """An hour of samples every 15 s, off the whole second; one series ends with a marker."""
    stale, random = promql.STALE, np.random.default_rng(4)
    found = []
    for job, instance in (("api", "1"), ("api", "2"), ("db", "1")):
        labels = {"job": job, "instance": instance} | ({"zone": "eu"} if job == "db" else {})
        counts = np.cumsum(random.integers(0, 50, 240)).tolist()
        times = [NOW.timestamp() - 15 * place - 0.123 for place in range(240)][::-1]
        for at, count in zip(times, counts, strict=True):
            found.append(Sample("up", labels, Kind.GAUGE, at, float(random.random() > 0.2)))
            found.append(Sample("requests_total", labels, Kind.COUNTER, at, float(count)))
        found += [Sample("ends", labels, Kind.GAUGE, at, 1.0) for at in times[:-20]]
        found.append(Sample("ends", labels, Kind.GAUGE, times[-20], stale))
    return found


def in_memory(written: list[Sample]) -> promql.MemorySeries:
    memory = promql.MemorySeries()
    by_series: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for one in written:
        by_series.setdefault(tuple(sorted({**one.labels, "__name__": one.name}.items())), []).append(one)
    for labels, some in by_series.items():
        memory.append(labels, [int(one.ts * 1e6) // 1000 for one in some], [one.value for one in some])
    return memory


@pytest.fixture
def connection() -> Iterator[Connection]:
    with transaction() as connection:
        yield connection


@pytest.fixture
def memory(connection: Connection) -> promql.MemorySeries:
    written = samples()
    outcome = ingest.write_samples(connection, "b1", written, NOW)
    assert outcome.rejected == 0
    return in_memory(written)


def comparable(value: promql.Value) -> object:
    if isinstance(value, promql.Vector):
        return sorted((tuple(one.labels.items()), repr(one.value)) for one in value)
    if isinstance(value, promql.Matrix):
        return [(dict(one.labels), one.timestamps.tolist(), list(map(repr, one.values))) for one in value]
    return value


def test_the_store_answers_as_memory_does(connection: Connection, memory: promql.MemorySeries) -> None:
    empty = 0
    for expression in EXPRESSIONS:
        for at in (NOW, NOW - timedelta(minutes=9, milliseconds=1)):
            here = comparable(promql.instant(StoreSeries(connection), expression, at))
            assert here == comparable(promql.instant(memory, expression, at)), expression
            empty += here == []
        if expression == "up[2m]":
            continue
        span = (NOW - timedelta(minutes=30), NOW, timedelta(seconds=47))
        here = comparable(promql.range_(StoreSeries(connection), expression, *span))
        assert here == comparable(promql.range_(memory, expression, *span)), expression
    assert empty < len(EXPRESSIONS)


def fetch(expression: str, start: int, end: int) -> promql.Fetch:
    (one,) = promql.plan(promql.parse(expression), start / 1000, end / 1000)
    return one


def test_several_fetches_are_one_read(connection: Connection, memory: promql.MemorySeries) -> None:
    """Overlapping, nested and far-off spans; each fetch gets its own samples and no others."""
    wanted = [
        fetch(expression, END - before, END - before)
        for expression in ("up", 'up{job="api"}', "rate(up[20m])", "requests_total", "rate(ends[7m])")
        for before in (0, 60_000, 1_800_000)
    ]
    for found, expected in zip(StoreSeries(connection).select(wanted), memory.select(wanted), strict=True):
        assert found.series.labels == expected.series.labels
        assert found.offsets.tolist() == expected.offsets.tolist()
        assert found.timestamps.tolist() == expected.timestamps.tolist()
        assert found.values.tobytes() == expected.values.tobytes()


def test_the_series_stay_the_same_object_until_one_is_new(
    connection: Connection, memory: promql.MemorySeries
) -> None:
    one = fetch('up{job=~".+"}', END, END)
    (before,), (again,) = StoreSeries(connection).select([one]), StoreSeries(connection).select([one])
    assert before.series is again.series
    fresh = Sample("up", {"job": "new"}, Kind.GAUGE, NOW.timestamp(), 1.0)
    ingest.write_samples(connection, "b2", [fresh], NOW)
    (after,) = StoreSeries(connection).select([one])
    assert len(after.series) == len(before.series) + 1


def test_of_samples_within_a_millisecond_the_last_one_counts(connection: Connection) -> None:
    times = [END / 1000 - 1 + fraction for fraction in (0.0001, 0.0009, 0.0015)]
    some = [Sample("m", {}, Kind.GAUGE, at, float(place)) for place, at in enumerate(times)]
    ingest.write_samples(connection, "b1", some, NOW)
    (found,) = StoreSeries(connection).select([fetch("m[5s]", END, END)])
    assert found.timestamps.tolist() == [END - 1000, END - 999]
    assert found.values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("limits", "cause"),
    [
        (promql.Limits(samples=100), "more samples than the 100"),
        (promql.Limits(series=2), "more than the 2 series"),
        (promql.Limits(seconds=1e-9), "took longer than 1e-09 s"),
    ],
)
def test_a_query_over_a_limit_fails_and_the_transaction_goes_on(
    connection: Connection, memory: promql.MemorySeries, limits: promql.Limits, cause: str
) -> None:
    expression = 'count(max_over_time({__name__=~".+"}[1h])) + sum(up)'
    with pytest.raises(promql.QueryLimitError, match=cause):
        promql.instant(StoreSeries(connection, limits), expression, NOW, limits=limits)
    timeout = connection.execute(text("SHOW statement_timeout")).scalar_one()
    assert timeout == "2min"
    assert len(promql.instant(StoreSeries(connection), "up", NOW)) == 3


def test_a_server_that_is_slow_is_told_to_stop() -> None:
    """Another transaction holds the table: the read gives up in time, and works once it is free."""
    with transaction() as connection:
        ingest.write_samples(connection, "b1", samples(), NOW)
    with transaction() as connection:
        with transaction() as other:
            other.execute(text("LOCK TABLE samples IN ACCESS EXCLUSIVE MODE"))
            with pytest.raises(promql.QueryLimitError, match=r"took longer than 0\.2 s"):
                promql.instant(StoreSeries(connection, promql.Limits(seconds=0.2)), "up", NOW)
        assert len(promql.instant(StoreSeries(connection), "up", NOW)) == 3


def test_times_that_no_sample_has_are_no_error(connection: Connection, memory: promql.MemorySeries) -> None:
    for at in (-1e12, 0, 1e14):
        assert len(promql.instant(StoreSeries(connection), "up", at)) == 0
