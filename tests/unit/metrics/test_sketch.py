"""Histograms: exact where they promise it, within their error elsewhere."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from watchfleet.metrics import sketch

ERROR = 0.01084
NORMAL = sys.float_info.min

values = hnp.arrays(
    np.float64,
    st.integers(1, 60),
    elements=st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
    | st.integers(-5, 5).map(float)
    | st.floats(0.5, 2.0),
)


def histogram(sample: np.ndarray, owner: int = 0) -> sketch.Cells:
    codes = sketch.codes(np.sort(sample))
    return sketch.tally(np.full(len(codes), owner), codes)


@given(values)
def test_a_representative_is_within_the_promised_error(sample):
    found = sketch.representatives(sketch.codes(sample))
    assert np.all(np.abs(found - sample) <= ERROR * np.abs(sample))


@given(values)
def test_bucket_numbers_rise_with_the_values(sample):
    assert np.all(np.diff(sketch.codes(np.sort(sample))) >= 0)


def test_buckets_are_those_of_the_logarithm():
    sample = np.random.default_rng(1).lognormal(0, 20, 100_000)
    assert np.array_equal(sketch.codes(sample), np.ceil(np.log2(sample) * 32).astype(int) + 1023 * 32)


@pytest.mark.parametrize("power", [-1022, -1, 0, 1, 1023])
def test_a_power_of_two_ends_its_bucket_and_the_next_float_begins_another(power):
    bound = np.ldexp(1.0, power)
    here, above = sketch.codes(np.array([bound, np.nextafter(bound, np.inf)]))
    assert above == here + 1


def test_zero_and_what_is_too_small_to_be_normal_are_one_bucket():
    small = np.array([0.0, -0.0, 5e-324, -1e-310, np.nextafter(NORMAL, 0)])
    assert not sketch.codes(small).any()


@given(st.lists(values, min_size=1, max_size=8))
def test_bytes_hold_every_histogram(samples):
    parts = [histogram(sample, owner) for owner, sample in enumerate(samples)]
    cells = sketch.Cells(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("owner", "code", "count"))
    )
    assert_same(sketch.decode(sketch.encode(cells, len(samples))), cells)


def test_bytes_hold_counts_of_any_size():
    cells = sketch.Cells(np.array([0, 0, 2]), np.array([-65_000, 65_000, 0]), np.array([1, 2**40, 2]))
    packed = sketch.encode(cells, 3)
    assert packed[1] == b""
    assert_same(sketch.decode(packed), cells)


def test_no_histograms_are_no_cells():
    assert len(sketch.decode([]).owner) == len(sketch.decode([b"", b""]).owner) == 0
    assert sketch.encode(sketch.decode([]), 2) == [b"", b""]


def test_another_scale_is_refused():
    with pytest.raises(ValueError, match="scale 5"):
        sketch.decode([b"\x04\x01\x02"])


@given(st.lists(values, min_size=1, max_size=6))
def test_a_merged_histogram_is_the_one_of_all_values(samples):
    parts = [histogram(sample, owner) for owner, sample in enumerate(samples)]
    cells = sketch.Cells(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("owner", "code", "count"))
    )
    assert_same(sketch.merge(cells, np.zeros(len(samples), np.int64)), histogram(np.concatenate(samples)))


@given(values, st.floats(0, 1))
def test_a_quantile_is_within_the_promised_error_of_the_order_statistic(sample, q):
    (found,) = sketch.quantiles(histogram(sample), [q])
    truth = np.sort(sample)[max(0, int(np.ceil(q * len(sample) * (1 - 1e-12))) - 1)]
    assert abs(found[0] - truth) <= ERROR * abs(truth)


@pytest.mark.parametrize(
    ("q", "n", "expected"), [(0.5, 1, 1), (0.95, 20, 19), (0.99, 100, 99), (0, 5, 1), (1, 5, 5)]
)
def test_ranks_are_not_led_astray_by_binary_fractions(q, n, expected):
    assert sketch.rank(q, np.array([n]))[0] == expected


def assert_same(one: sketch.Cells, other: sketch.Cells) -> None:
    for name in ("owner", "code", "count"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
