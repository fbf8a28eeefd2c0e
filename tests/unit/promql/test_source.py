import numpy as np
import pytest

from watchfleet.patterns import PatternError
from watchfleet.promql import Fetch, MemorySeries
from watchfleet.promql.matchers import Matcher


def select(
    memory: MemorySeries, *matchers: Matcher, start: int = 0, end: int = 10
) -> dict[str, list[tuple[int, float]]]:
    """The samples by job."""
    columns = memory.select([Fetch(matchers, start, end)])[0]
    bounds = zip(columns.offsets, columns.offsets[1:], strict=False)
    return {
        dict(labels)["job"]: list(
            zip(columns.timestamps[low:high].tolist(), columns.values[low:high].tolist(), strict=True)
        )
        for labels, (low, high) in zip(columns.series.labels, bounds, strict=True)
    }


@pytest.fixture
def memory() -> MemorySeries:
    memory = MemorySeries()
    memory.append({"__name__": "up", "job": "a", "zone": ""}, [5, 1, 3], [50, 10, 30])
    memory.append({"__name__": "up", "job": "b"}, [2], [20])
    memory.append({"__name__": "down", "job": "c"}, [2], [0])
    return memory


NAME = Matcher("__name__", "=", "up")


def test_samples_come_in_the_order_of_time_and_only_those_asked_for(memory: MemorySeries) -> None:
    assert select(memory, NAME, Matcher("job", "=", "a")) == {"a": [(1, 10), (3, 30), (5, 50)]}
    assert select(memory, NAME, Matcher("job", "=", "a"), start=3, end=4) == {"a": [(3, 30)]}
    assert select(memory, NAME, start=20, end=30) == {"a": [], "b": []}


def test_a_later_sample_at_the_same_time_replaces_the_earlier_one(memory: MemorySeries) -> None:
    memory.append((("__name__", "up"), ("job", "a")), [3, 4], [33, 44])
    assert select(memory, NAME, Matcher("job", "=", "a"))["a"] == [(1, 10), (3, 33), (4, 44), (5, 50)]


@pytest.mark.parametrize(
    ("matcher", "jobs"),
    [
        (Matcher("job", "=", "a"), "a"),
        (Matcher("job", "!=", "a"), "bc"),
        (Matcher("job", "=~", "a|b"), "ab"),
        (Matcher("job", "!~", "a|b"), "c"),
        (Matcher("__name__", "=~", "u."), "ab"),
        (Matcher("__name__", "=~", "u"), ""),
        (Matcher("zone", "=", ""), "abc"),
        (Matcher("zone", "!=", ""), ""),
        (Matcher("zone", "=~", ".*"), "abc"),
        (Matcher("zone", "=~", ".+"), ""),
    ],
)
def test_matchers_hold_for_the_whole_value_and_a_missing_label_is_empty(
    memory: MemorySeries, matcher: Matcher, jobs: str
) -> None:
    assert "".join(sorted(select(memory, matcher))) == jobs


def test_new_series_are_seen_although_the_selector_was_asked_before(memory: MemorySeries) -> None:
    before = memory.select([Fetch((NAME,), 0, 10)])[0].series
    assert memory.select([Fetch((NAME,), 5, 6)])[0].series is before
    memory.append({"__name__": "up", "job": "z"}, [1], [1])
    assert "z" in select(memory, NAME)


def test_a_pattern_that_re2_does_not_take_is_refused() -> None:
    for pattern in ("(", "(?=a)", r"(a)\1", "\udcff"):
        with pytest.raises(PatternError):
            Matcher("job", "=~", pattern)


def test_an_evil_pattern_takes_no_time() -> None:
    assert not Matcher("job", "=~", "(a*)*b").matches("a" * 50_000)


def test_a_value_that_is_not_utf8_matches_like_any_other_text() -> None:
    assert Matcher("job", "=~", "a.b").matches("a\udcffb")


def test_times_and_values_have_the_types_that_columns_promise(memory: MemorySeries) -> None:
    columns = memory.select([Fetch((NAME,), 0, 10)])[0]
    assert columns.timestamps.dtype == np.int64
    assert columns.values.dtype == np.float64
    assert columns.offsets.tolist() == [0, 3, 4]
