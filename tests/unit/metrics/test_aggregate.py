"""Aggregates against what numpy says of the same samples, and of merging against computing at once."""

import csv
import gzip
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfleet.metrics import aggregate
from watchfleet.metrics.aggregate import QUANTILES, Buckets

MINUTE = 60_000_000
HOUR = 60 * MINUTE
START = 1_790_000_000_000_000 // HOUR * HOUR
CONFORMANCE = Path(__file__).parents[4] / "shared" / "conformance" / "sql"
ERROR = 0.01084
NONE = np.empty(0, np.int64)

sane = st.floats(-1e12, 1e12, allow_subnormal=False)
rows = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, HOUR - 1), sane | st.integers(0, 3).map(float)),
    min_size=1,
    max_size=120,
)


def roll(rows, width=5 * MINUTE, counters=NONE) -> Buckets:
    series, offset, value = (np.array(column) for column in zip(*rows, strict=True))
    return aggregate.of_samples(series, START + offset, value.astype(float), width, np.array(counters))


def by_bucket(rows, width=5 * MINUTE):
    groups: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for series, offset, value in rows:
        groups.setdefault((series, START + offset - offset % width), []).append((START + offset, value))
    return {key: sorted(group) for key, group in sorted(groups.items())}


def increase(values) -> float:
    return sum(b - a if b >= a else b for a, b in pairwise(values))


@given(rows)
def test_aggregates_are_those_of_the_samples(rows):
    found, expected = roll(rows, counters=[1, 3]), by_bucket(rows)
    keys = zip(found.columns["series_id"].tolist(), found.columns["bucket"].tolist(), strict=True)
    assert list(keys) == list(expected)
    for at, ((series, _), samples) in enumerate(expected.items()):
        row = {name: column[at] for name, column in found.columns.items()}
        values = np.array([value for _, value in samples])
        scale = max(1.0, np.abs(values).max())
        assert row["n"] == len(values)
        assert row["sum"] == pytest.approx(math.fsum(values), abs=1e-9 * scale * len(values))
        assert row["m2"] == pytest.approx(values.var() * len(values), abs=1e-6 * scale**2)
        assert (row["min"], row["max"]) == (values.min(), values.max())
        assert (row["first_ts"], row["first_value"]) == samples[0]
        assert (row["last_ts"], row["last_value"]) == samples[-1]
        for name, q in QUANTILES.items():
            assert row[name] == np.quantile(values, q, method="inverted_cdf")
        if series == 2:
            assert math.isnan(row["increase"])
        else:
            assert row["increase"] == pytest.approx(increase(values), abs=1e-9 * scale * len(values))


@given(rows)
def test_merged_buckets_are_those_computed_at_once(rows):
    merged = roll(rows, counters=[1, 2, 3])
    for width in (15 * MINUTE, HOUR):
        merged = aggregate.merge(merged, lambda instants, width=width: instants - instants % width)
        assert_equivalent(merged, roll(rows, width, [1, 2, 3]))


@given(rows)
def test_the_order_of_arrival_does_not_matter(rows):
    one, other = roll(rows), roll(rows[::-1])
    for name, column in one.columns.items():
        assert np.array_equal(column, other.columns[name], equal_nan=True), name


def test_values_that_are_no_numbers_do_not_count():
    values = [1.0, math.nan, math.inf, 3.0, -math.inf]
    found = roll([(1, at, value) for at, value in enumerate(values)]).columns
    assert (found["n"][0], found["sum"][0], found["max"][0]) == (2, 4.0, 3.0)
    assert len(roll([(1, 0, math.nan)])) == 0


def test_no_samples_are_no_buckets():
    assert len(aggregate.of_samples(NONE, NONE, np.empty(0), MINUTE, NONE)) == 0


def test_the_second_moment_survives_a_large_mean():
    noise = np.random.default_rng(7).normal(size=36_000)
    rows = [(1, at * 100_000, 1e9 + float(value)) for at, value in enumerate(noise)]
    merged = aggregate.merge(roll(rows), lambda instants: instants - instants % HOUR).columns
    assert math.sqrt(merged["m2"][0] / merged["n"][0]) == pytest.approx(noise.std(), rel=1e-6)


def test_a_counters_increase_spans_resets_within_and_between_buckets():
    # 5 minutes apart at the edges: a reset inside a bucket, one exactly at an edge, and none at the last.
    values = [10, 15, 2, 4, 1, 6, 7, 9]
    offsets = [0, 1, 2, 5 * MINUTE - 1, 5 * MINUTE, 10 * MINUTE - 1, 10 * MINUTE, 15 * MINUTE - 1]
    fine = roll([(1, at, float(value)) for at, value in zip(offsets, values, strict=True)], counters=[1])
    assert fine.columns["increase"].tolist() == [5 + 2 + 2, 5, 2]
    coarse = aggregate.merge(fine, lambda instants: instants - instants % (15 * MINUTE))
    assert coarse.columns["increase"].tolist() == [increase(values)] == [5 + 2 + 2 + 1 + 5 + 1 + 2]


def test_huge_values_overflow_as_they_do_in_sql():
    found = roll([(1, 0, 1.7e308), (1, 1, 1.7e308)]).columns
    assert found["sum"][0] == math.inf
    assert found["max"][0] == 1.7e308


SHAPES = {
    "lognormal": lambda rng: rng.lognormal(0, 2, 20_000),
    "bimodal": lambda rng: np.r_[rng.normal(1, 0.1, 15_000), rng.normal(1000, 10, 5_000)],
    "heavy tail": lambda rng: rng.pareto(1.1, 20_000),
    "constant": lambda rng: np.full(20_000, 0.3),
    "negative": lambda rng: -rng.lognormal(0, 2, 20_000),
    "zero crossing": lambda rng: rng.normal(0, 1, 20_000),
    "mostly zero": lambda rng: np.where(rng.random(20_000) < 0.7, 0.0, rng.lognormal(size=20_000)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_quantiles_of_every_tier_are_within_the_promised_error(shape):
    assert_quantiles(SHAPES[shape](np.random.default_rng(3)))


@pytest.mark.parametrize("name", ["pgbench_log_ms.csv.gz", "rds_log_ms.csv.gz"])
def test_quantiles_of_recorded_durations_are_within_the_promised_error(name):
    if not CONFORMANCE.is_dir():
        pytest.skip(f"{CONFORMANCE} is not here")
    with gzip.open(CONFORMANCE / name, "rt") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert_quantiles(np.array([float(cell) for cell in cells if cell.replace(".", "", 1).isdigit()]))


def assert_quantiles(values: np.ndarray) -> None:
    values = np.random.default_rng(5).permutation(values)
    offsets = np.linspace(0, HOUR - 1, len(values)).astype(int)
    found = roll(list(zip([1] * len(values), offsets.tolist(), values.tolist(), strict=True)))
    for width in (15 * MINUTE, HOUR):
        found = aggregate.merge(found, lambda instants, width=width: instants - instants % width)
        bucket = START + offsets - offsets % width
        for at, start in enumerate(found.columns["bucket"]):
            inside = values[bucket == start]
            for name, q in QUANTILES.items():
                truth = np.quantile(inside, q, method="inverted_cdf")
                assert abs(found.columns[name][at] - truth) <= ERROR * abs(truth)


def assert_equivalent(merged: Buckets, direct: Buckets) -> None:
    for name in (
        "series_id",
        "bucket",
        "n",
        "min",
        "max",
        "first_ts",
        "first_value",
        "last_ts",
        "last_value",
    ):
        assert np.array_equal(merged.columns[name], direct.columns[name]), name
    # Around a bucket's largest value, as sums of either sign may cancel out.
    scale = np.maximum(1, np.maximum(np.abs(direct.columns["min"]), np.abs(direct.columns["max"])))
    for name, power in (("sum", 1), ("increase", 1), ("m2", 2)):
        off = np.abs(merged.columns[name] - direct.columns[name])
        assert np.all(off <= 1e-9 * scale**power * direct.columns["n"]), name
    for name in ("owner", "code", "count"):
        assert np.array_equal(getattr(merged.cells, name), getattr(direct.cells, name)), name
