"""Sums and means keep what plain addition loses; vectorised and plain ways agree."""

import math
from itertools import product

import numpy as np
import pytest

from watchfleet import promql

SAMPLES = {
    "cancelling": ([1e100, 1.0, -1e100, 1.0], 2.0, 0.5),
    "tenths": ([0.1] * 10, 1.0, 0.1),
    "overflowing": ([1.7e308, 1.7e308], math.inf, 1.7e308),
    "overflowing down": ([-1.7e308, -1.7e308, -1.7e308], -math.inf, -1.7e308),
    "infinite": ([1.0, math.inf, 2.0], math.inf, math.inf),
    "opposite infinities": ([math.inf, 1.0, -math.inf], math.nan, math.nan),
    "not a number": ([1.0, math.nan], math.nan, math.nan),
    "one": ([5.0], 5.0, 5.0),
}


def vector_of(samples: list[float], copies: int) -> promql.MemorySeries:
    """Many groups of the same series, so that the one or the other way of summing is taken."""
    memory = promql.MemorySeries()
    for group, (place, value) in product(range(copies), enumerate(samples)):
        memory.append({"__name__": "x", "group": str(group), "n": f"{place:03}"}, [0], [value])
    return memory


def window_of(samples: list[float], copies: int) -> promql.MemorySeries:
    memory = promql.MemorySeries()
    for group in range(copies):
        memory.append({"__name__": "x", "group": str(group)}, range(1, len(samples) + 1), samples)
    return memory


@pytest.mark.parametrize("copies", [1, 100])
@pytest.mark.parametrize("name", SAMPLES)
def test_sums_and_averages_of_groups_are_exact(name: str, copies: int) -> None:
    samples, total, mean = SAMPLES[name]
    source = vector_of(samples, copies)
    for text, expected in (("sum by (group) (x)", total), ("avg by (group) (x)", mean)):
        values = promql.instant(source, text, 0).values
        np.testing.assert_array_equal(values, np.full(copies, expected), text)


@pytest.mark.parametrize("copies", [1, 100])
@pytest.mark.parametrize("name", SAMPLES)
def test_sums_and_averages_of_windows_are_exact(name: str, copies: int) -> None:
    samples, total, mean = SAMPLES[name]
    source = window_of(samples, copies)
    for text, expected in (("sum_over_time(x[1s])", total), ("avg_over_time(x[1s])", mean)):
        values = promql.instant(source, text, 1).values
        np.testing.assert_array_equal(values, np.full(copies, expected), text)


def test_a_range_query_gives_what_its_instants_give() -> None:
    random = np.random.default_rng(4)
    memory = promql.MemorySeries()
    for place in range(12):
        times = np.flatnonzero(random.random(600) < 0.8) * 1000
        values = np.cumsum(random.random(len(times))) % 50
        memory.append({"__name__": "x_total", "n": str(place), "odd": str(place % 2)}, times, values)
    for text in (
        "x_total", "rate(x_total[37s])", "sum by (odd) (increase(x_total[1m]))", "topk(2, x_total) by (odd)",
        "quantile_over_time(0.7, x_total[45s])", "stddev by (odd) (x_total)", "deriv(x_total[30s:7s])",
        "x_total > on (n) avg_over_time(x_total[20s])", "max_over_time(x_total[20s]) - x_total offset 10s",
        "predict_linear(x_total[1m], 30)", "double_exponential_smoothing(x_total[1m], 0.3, 0.1)",
        "resets(x_total[1m]) + changes(x_total[1m])", "absent(x_total > 49)", "rate(x_total[31s] smoothed)",
        "increase(x_total[31s] anchored)", "mad_over_time(x_total[17s])", "avg(x_total and x_total > 25)",
    ):  # fmt: skip
        ranged = promql.range_(memory, text, 3.5, 600, 41)
        instants = [promql.instant(memory, text, at / 1000) for at in range(3500, 600_001, 41_000)]
        found = {
            (tuple(one.labels.items()), at): value
            for one in ranged
            for at, value in zip(one.timestamps.tolist(), one.values.tolist(), strict=True)
        }
        expected = {
            (tuple(sample.labels.items()), answer.at): sample.value
            for answer in instants
            for sample in answer
        }
        assert found == pytest.approx(expected, rel=1e-12, nan_ok=True), text
