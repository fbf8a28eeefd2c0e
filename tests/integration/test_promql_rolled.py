"""Long windows out of the rollup tiers answer as the samples do."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Connection, text

from watchfleet import promql
from watchfleet.db.engine import transaction
from watchfleet.metrics import ingest, rollups
from watchfleet.model import Kind, Sample
from watchfleet.promql import rolled, store
from watchfleet.promql.store import StoreSeries

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=2)
FUNCTIONS = ("avg", "count", "first", "last", "max", "min", "present", "sum")
AT = (NOW, NOW - timedelta(hours=2, minutes=17, seconds=3), NOW - timedelta(milliseconds=1))

pytestmark = pytest.mark.usefixtures("environment")


def samples() -> list[Sample]:
    """A day and a half by the minute: on the whole minute, off it, and with long gaps."""
    random = np.random.default_rng(3)
    whole = [NOW.timestamp() - 60 * place for place in range(2160)][::-1]
    places = {"whole": whole, "off": [at - 7.4321 for at in whole], "gaps": whole[::97]}
    return [
        Sample("m", {"at": name}, Kind.GAUGE, at, float(value))
        for name, times in places.items()
        for at, value in zip(times, random.lognormal(2, 1, len(times)) - 3, strict=True)
    ]


@pytest.fixture
def connection() -> Iterator[Connection]:
    with transaction() as connection:
        yield connection


@pytest.fixture
def memory(connection: Connection) -> promql.MemorySeries:
    """The samples, rolled up but for two late ones."""
    written, memory = samples(), promql.MemorySeries()
    ingest.write_samples(connection, "b1", written, NOW)
    while rollups.advance(connection, LATER).steps:
        pass
    late = [Sample("m", {"at": "off"}, Kind.GAUGE, NOW.timestamp() - ago, 1e6) for ago in (40_000, 50_000)]
    ingest.write_samples(connection, "b2", late, NOW)
    for name in ("whole", "off", "gaps"):
        some = [one for one in written + late if one.labels["at"] == name]
        memory.append(
            {"__name__": "m", "at": name},
            [int(one.ts * 1e6) // 1000 for one in some],
            [one.value for one in some],
        )
    return memory


@pytest.fixture
def summaries(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each long selector whether it came from a tier."""
    seen: list[bool] = []

    def noting(*arguments: object) -> object:
        found = rolled.summarised(*arguments)  # type: ignore[arg-type]
        seen.append(found is not None)
        return found

    monkeypatch.setattr(store, "summarised", noting)
    return seen


def numbers(value: promql.Value) -> dict[tuple[object, ...], float]:
    if isinstance(value, promql.Vector):
        return {tuple(one.labels.items()): one.value for one in value}
    assert isinstance(value, promql.Matrix)
    return {
        (*one.labels.items(), at): number
        for one in value
        for at, number in zip(one.timestamps.tolist(), one.values.tolist(), strict=True)
    }


def both(connection: Connection, memory: promql.MemorySeries, expression: str, *when: object) -> list[object]:
    ask = promql.instant if len(when) == 1 else promql.range_
    return [numbers(ask(source, expression, *when)) for source in (StoreSeries(connection), memory)]


@pytest.mark.parametrize("window", ["2h1m", "7h", "25h13m"])
def test_an_instant_is_what_the_samples_give(
    connection: Connection, memory: promql.MemorySeries, window: str, summaries: list[bool]
) -> None:
    for function in FUNCTIONS:
        for at in AT:
            found, expected = both(connection, memory, f"{function}_over_time(m[{window}])", at)
            assert found == pytest.approx(expected, rel=1e-9), (function, at)
            assert len(found) >= 2
    assert sum(summaries) > len(summaries) // 2


@pytest.mark.parametrize(("step", "window"), [("1h", "6h"), ("15m", "1h"), ("47m", "5h"), ("1m", "2h")])
def test_a_range_is_what_the_samples_give(
    connection: Connection, memory: promql.MemorySeries, step: str, window: str
) -> None:
    width = timedelta(minutes=int(step[:-1]) * (60 if step.endswith("h") else 1))
    for function in FUNCTIONS:
        when = (NOW - timedelta(hours=20), NOW, width)
        found, expected = both(connection, memory, f"{function}_over_time(m[{window}] offset 5m)", *when)
        assert found == pytest.approx(expected, rel=1e-9), function


def test_quantiles_are_right_within_the_histograms_error(
    connection: Connection, memory: promql.MemorySeries, summaries: list[bool]
) -> None:
    for q in (0, 0.05, 0.5, 0.9, 0.99, 1, 2):
        found, expected = both(connection, memory, f'quantile_over_time({q}, m{{at="off"}}[20h])', AT[1])
        assert found == pytest.approx(expected, rel=0.0109)
    assert all(summaries)


def without_samples(connection: Connection) -> None:
    """Have the samples dropped, as retention does."""
    connection.execute(text("DELETE FROM dirty_slice"))
    for day in ("20261121", "20261122", "20261123"):
        connection.execute(text(f"DROP TABLE IF EXISTS samples_p{day}"))


def test_windows_older_than_the_samples_come_from_the_tiers_alone(
    connection: Connection, memory: promql.MemorySeries
) -> None:
    without_samples(connection)
    at = NOW - timedelta(hours=6)
    for function in ("sum", "count", "avg", "last", "max", "first"):
        expression = f'{function}_over_time(m{{at="off"}}[1h])'
        found, expected = both(connection, memory, expression, at)
        assert found == pytest.approx(expected, rel=1e-9), function
        near, _ = both(connection, memory, expression, at + timedelta(minutes=2))
        assert len(near) == 1


def test_samples_that_are_gone_are_told_by_the_first_and_the_last_of_each_bucket(
    connection: Connection, memory: promql.MemorySeries
) -> None:
    rises = np.cumsum(np.random.default_rng(1).integers(0, 9, 600))
    values = [float(value) % 50 for value in rises.tolist()]  # restarts every few minutes
    times = [NOW.timestamp() - 15 * place - 3.3 for place in range(600)][::-1]
    counts = [Sample("c", {}, Kind.COUNTER, at, value) for at, value in zip(times, values, strict=True)]
    ingest.write_samples(connection, "b3", counts, NOW)
    while rollups.advance(connection, LATER).steps:
        pass
    memory.append({"__name__": "c"}, [int(at * 1e6) // 1000 for at in times], values)
    without_samples(connection)
    at = NOW - timedelta(minutes=30)
    for expression in ("c", "m", 'm{at="off"} offset 1h'):
        found, expected = both(connection, memory, expression, at)
        assert len(found) >= 1
        assert all(expected[key] == value for key, value in found.items())
    found, expected = both(connection, memory, "increase(c[1h])", at)
    assert found == pytest.approx(expected, rel=0.02)
    assert len(both(connection, memory, "c", at - timedelta(hours=1), at, timedelta(minutes=5))[0]) == 13


def test_a_long_window_over_more_than_may_be_read_fails(
    connection: Connection, memory: promql.MemorySeries
) -> None:
    limits = promql.Limits(samples=20)
    with pytest.raises(promql.QueryLimitError, match="more rollups than the 20"):
        promql.instant(StoreSeries(connection, limits), "sum_over_time(m[1d])", NOW, limits=limits)
