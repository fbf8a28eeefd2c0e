"""The library's face: what to ask, what comes back, what is refused."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from watchfleet import promql


@pytest.fixture
def source() -> promql.MemorySeries:
    memory = promql.MemorySeries()
    times = [0, 15_000, 30_000]
    memory.append({"__name__": "up", "job": "api"}, times, [1, 1, 0])
    memory.append({"__name__": "up", "job": "db"}, times, [1, 1, 1])
    memory.append({"__name__": "target_info", "job": "db", "zone": "eu"}, times, [1, 1, 1])
    return memory


class Counting:
    """A source that remembers what it was asked for."""

    def __init__(self, source: promql.SeriesSource) -> None:
        self._source = source
        self.asked: list[Sequence[promql.Fetch]] = []

    def select(self, fetches: Sequence[promql.Fetch]) -> Sequence[promql.Columns]:
        self.asked.append(fetches)
        return self._source.select(fetches)


def test_an_instant_query_gives_a_vector(source: promql.MemorySeries) -> None:
    answer = promql.instant(source, "up", datetime.fromtimestamp(30, UTC))
    assert isinstance(answer, promql.Vector)
    assert answer.at == 30_000
    assert [(sample.labels["job"], sample.value) for sample in answer] == [("api", 0.0), ("db", 1.0)]


def test_the_type_of_the_answer_is_that_of_the_expression(source: promql.MemorySeries) -> None:
    assert promql.instant(source, "1 + 1", 5) == promql.Scalar(5000, 2.0)
    assert promql.instant(source, "'a'", 5) == promql.String(5000, "a")
    samples = promql.instant(source, 'up{job="api"}[20s]', 30)
    assert isinstance(samples, promql.Matrix)
    assert samples.series[0].timestamps.tolist() == [15_000, 30_000]
    assert samples.series[0].values.tolist() == [1, 0]


def test_a_range_query_gives_a_matrix_with_holes_where_there_is_nothing(source: promql.MemorySeries) -> None:
    answer = promql.range_(source, "up == 1", 0, 30, timedelta(seconds=15))
    assert [one.labels["job"] for one in answer] == ["api", "db"]
    assert [one.timestamps.tolist() for one in answer] == [[0, 15_000], [0, 15_000, 30_000]]
    scalar = promql.range_(source, "time()", 0, 30, 15)
    assert scalar.series[0].labels == {}
    assert scalar.series[0].values.tolist() == [0, 15, 30]


def test_a_range_query_wants_a_vector_or_scalar_and_a_sane_range(source: promql.MemorySeries) -> None:
    with pytest.raises(promql.QueryError, match='invalid expression type "range vector" for range query'):
        promql.range_(source, "up[5m]", 0, 30, 15)
    with pytest.raises(promql.QueryError, match="at least 1ms"):
        promql.range_(source, "up", 0, 30, 0)
    with pytest.raises(promql.QueryError, match="must not be before its start"):
        promql.range_(source, "up", 30, 0, 1)
    with pytest.raises(promql.QueryError, match="no time that can be queried"):
        promql.instant(source, "up", float("nan"))


def test_samples_are_seen_for_the_look_back_and_no_longer(source: promql.MemorySeries) -> None:
    assert len(promql.instant(source, "up", 329.999)) == 2
    assert len(promql.instant(source, "up", 330)) == 0
    options = promql.Options(lookback=timedelta(seconds=20))
    assert len(promql.instant(source, "up", 49.999, options=options)) == 2
    assert len(promql.instant(source, "up", 50, options=options)) == 0


def test_a_stale_marker_ends_a_series_at_once_and_an_ordinary_nan_does_not() -> None:
    memory = promql.MemorySeries()
    memory.append({"__name__": "gone"}, [0, 1000], [1, promql.STALE])
    memory.append({"__name__": "odd"}, [0, 1000], [1, float("nan")])
    assert len(promql.instant(memory, "gone", 0.5)) == 1
    assert len(promql.instant(memory, "gone", 1)) == 0
    assert np.isnan(promql.instant(memory, "odd", 1).values).tolist() == [True]
    assert promql.instant(memory, "count_over_time(gone[5s])", 2).values.tolist() == [1]


def test_the_default_step_of_subqueries_is_an_option(source: promql.MemorySeries) -> None:
    every_ten = promql.Options(subquery_step=timedelta(seconds=10))
    for text, options, expected in (
        ("count_over_time(up[70s:])", promql.Options(), 2),
        ("count_over_time(up[70s:])", every_ten, 7),
        ("count_over_time(up[70s:5s])", every_ten, 13),
    ):
        assert promql.instant(source, text, 60, options=options).values.tolist() == [expected] * 2


def test_all_selectors_are_read_at_once_and_the_same_one_only_once(source: promql.MemorySeries) -> None:
    counting = Counting(source)
    promql.instant(counting, "up / up + on (job) sum by (job) (rate(up[1m])) or up offset 5m", 30)
    assert len(counting.asked) == 1
    assert len(counting.asked[0]) == 3


def test_a_plan_tells_what_will_be_read(source: promql.MemorySeries) -> None:
    expression = promql.parse("rate(up[1m] offset 1m) + max_over_time(up[10s:5s])")
    ranged, inner = promql.plan(expression, 100, 200, 10)
    assert (ranged.start, ranged.end, ranged.window, ranged.function) == (-19_999, 140_000, 60_000, "rate")
    assert (inner.start, inner.end, inner.step) == (95_000 - 299_999, 200_000, 5_000)
    assert promql.plan(promql.parse("1"), 0, 0) == ()


def test_what_was_read_by_plan_serves_many_evaluations(source: promql.MemorySeries) -> None:
    expressions = [promql.parse(text) for text in ("up == 0", "count(up)", "avg_over_time(up[30s])")]
    fetches = list({fetch for one in expressions for fetch in promql.plan(one, 30, 30)})
    counting = Counting(source)
    ready = promql.Prefetched(dict(zip(fetches, counting.select(fetches), strict=True)))
    for expression in expressions:
        expected, found = promql.instant(source, expression, 30), promql.instant(ready, expression, 30)
        assert (found.labels, found.values.tolist()) == (expected.labels, expected.values.tolist())
    assert len(counting.asked) == 1
    with pytest.raises(promql.QueryError, match="reads series that were not planned for"):
        promql.instant(ready, "other", 30)


def test_what_was_read_by_plan_is_not_looked_for_beyond_it(source: promql.MemorySeries) -> None:
    beyond = Counting(source)
    expression = promql.parse("count(up)")
    fetches = promql.plan(expression, 30, 30)
    ready = promql.Prefetched(dict(zip(fetches, source.select(fetches), strict=True)), beyond)
    promql.instant(ready, expression, 30)
    assert beyond.asked == []
    promql.instant(ready, "up offset 1s", 30)
    assert len(beyond.asked) == 1


def test_info_may_read_beyond_the_plan(source: promql.MemorySeries) -> None:
    expression = promql.parse('info(up{job="db"})')
    fetches = promql.plan(expression, 30, 30)
    columns = dict(zip(fetches, source.select(fetches), strict=True))
    answer = promql.instant(promql.Prefetched(columns, beyond=source), expression, 30)
    assert dict(answer.labels[0])["zone"] == "eu"


@pytest.mark.parametrize(
    ("text", "place", "cause"),
    [
        ("1 + topk(NaN, up)", "1:5", "Parameter value is NaN"),
        ("sum(\n  up / on () up\n)", "2:3", "found duplicate series for the match group {}"),
        ("label_replace(up, 'job', '', '', '')", "1:1", "vector cannot contain metrics with"),
        ("up + label_replace(up, 'a', '', 'job', '(')", "1:6", "invalid regular expression in"),
        ("2 * (1 </ 2)", "1:6", 'operator "</" not allowed for Scalar operations'),
        ("count_over_time(up[1m/step()])", "1:20", "division by zero"),
    ],
)  # fmt: skip
def test_what_fails_while_it_runs_tells_where(
    source: promql.MemorySeries, text: str, place: str, cause: str
) -> None:
    with pytest.raises(promql.QueryError) as caught:
        promql.instant(source, text, 30)
    assert str(caught.value).startswith(f"{place}: {cause}")
    assert not isinstance(caught.value, promql.ParseError)


def test_annotations_tell_kind_and_place(source: promql.MemorySeries) -> None:
    answer = promql.instant(source, "quantile(2, up) and on () rate(up[1m])", 30)
    assert answer.warnings == ("PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)",)
    assert answer.infos == (
        (
            "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
            '"up" (1:32)'
        ),
    )


@pytest.mark.parametrize(
    ("text", "limits", "cause"),
    [
        ("up", promql.Limits(samples=5), "the query needs 6 samples, more than the 5"),
        ("up", promql.Limits(series=1), "the query needs 2 series, more than the 1"),
        ("sum_over_time(vector(1)[1000s:1s])", promql.Limits(samples=500), "the query needs 1000 values"),
        ("count_values('v', up) + 1", promql.Limits(seconds=-1), "the query took longer than -1 s"),
    ],
)
def test_a_query_over_a_limit_fails(
    source: promql.MemorySeries, text: str, limits: promql.Limits, cause: str
) -> None:
    with pytest.raises(promql.QueryLimitError) as caught:
        promql.instant(source, text, 30, limits=limits)
    assert cause in str(caught.value)
    assert caught.value.position is not None


def test_a_range_may_have_only_so_many_steps(source: promql.MemorySeries) -> None:
    with pytest.raises(promql.QueryLimitError, match="the query needs 11001 steps, more than the 11000"):
        promql.range_(source, "up", 0, 11_000, 1)
    assert len(promql.range_(source, "vector(1)", 0, 10_999, 1).series[0].values) == 11_000
