"""The arithmetic of cumulative buckets, for many histograms with the same bounds at once."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from watchfleet.promql.series import Bools, Floats, Ints

_ROUNDING: Final = 1e-12
"""Counts that differ by less, relative to their sum, are the same but for rounding."""
_TINY: Final = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Histograms.

    Attributes:
        bounds: The upper bounds, rising; some may be equal.
        counts: Histograms by buckets: how many observations are not greater than the bound.
    """

    bounds: Floats
    counts: Floats

    def united(self) -> "Buckets":
        """The histograms with the counts of equal bounds added up."""
        starts = np.flatnonzero(np.concatenate(([True], self.bounds[1:] != self.bounds[:-1])))
        if len(starts) == len(self.bounds):
            return self
        return Buckets(self.bounds[starts], np.add.reduceat(self.counts, starts, axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Mended:
    """Where counts fell that may only rise, by histograms: the lowest and highest bucket, and how much."""

    lowest: Floats
    highest: Floats
    difference: Floats


def quantiles(q: Floats, buckets: Buckets) -> tuple[Floats, Mended]:
    """The quantiles of some histograms.

    Linear within a bucket. The lowest bucket begins at 0 if its bound is positive; the highest one, which
    must be +Inf, answers with the bound before it.

    Args:
        q: One for each histogram.
        buckets: The histograms.

    Returns:
        The quantiles, NaN where there is none, and where counts had to be mended.
    """
    nothing = np.zeros(len(q))
    if not np.isposinf(buckets.bounds[-1]):
        return _checked(q, np.full(len(q), np.nan)), Mended(nothing, nothing, nothing)
    buckets, mended = _monotonic(buckets.united())
    bounds, counts = buckets.bounds, buckets.counts
    if len(bounds) < 2:
        return _checked(q, np.full(len(q), np.nan)), mended
    rank = q * counts[:, -1]
    reached = counts[:, :-1] >= rank[:, None]
    bucket = np.where(reached.any(axis=1), reached.argmax(axis=1), len(bounds) - 1)
    value = _within(bounds, counts, bucket, rank)
    value = np.where(bucket == len(bounds) - 1, bounds[-2], value)
    value = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], value)
    valid = (q >= 0) & (q <= 1)
    mended = Mended(mended.lowest, mended.highest, np.where(valid, mended.difference, 0.0))
    return _checked(q, np.where(counts[:, -1] == 0, np.nan, value)), mended


def _checked(q: Floats, value: Floats) -> Floats:
    value = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, value))
    return np.where(np.isnan(q), np.nan, value)


def _within(bounds: Floats, counts: Floats, bucket: Ints, rank: Floats) -> Floats:
    """The value at a rank within a bucket."""
    lanes, below = np.arange(len(bucket)), np.maximum(bucket - 1, 0)
    lowest = bucket == 0
    start = np.where(lowest, 0.0, bounds[below])
    before = np.where(lowest, 0.0, counts[lanes, below])
    return start + (bounds[bucket] - start) * ((rank - before) / (counts[lanes, bucket] - before))


def _monotonic(buckets: Buckets) -> tuple[Buckets, Mended]:
    """The histograms with every fall of the counts taken away."""
    counts = buckets.counts.copy()
    lowest, highest = np.full(len(counts), np.inf), np.full(len(counts), -np.inf)
    difference = np.zeros(len(counts))
    for place in range(1, counts.shape[1]):
        before, now = counts[:, place - 1], counts[:, place]
        same = _almost_equal(before, now)
        fell = ~same & (now < before)
        lowest[fell] = np.minimum(lowest[fell], buckets.bounds[place])
        highest[fell] = buckets.bounds[place]
        difference[fell] = np.maximum(difference[fell], (before - now)[fell])
        counts[:, place] = np.where(same | fell, before, now)
    return Buckets(buckets.bounds, counts), Mended(lowest, highest, difference)


def _almost_equal(left: Floats, right: Floats) -> Bools:
    total, difference = np.abs(left) + np.abs(right), np.abs(left - right)
    near_zero = (left == 0) | (right == 0) | (total < _TINY)
    close = np.where(near_zero, difference < _ROUNDING * _TINY, difference / total < _ROUNDING)
    equal: Bools = (left == right) | close
    return equal


def shares(lower: Floats, upper: Floats, buckets: Buckets) -> Floats:
    """The share of each histogram's observations between two bounds, linear within a bucket."""
    if not np.isposinf(buckets.bounds[-1]):
        return np.full(len(lower), np.nan)
    buckets = buckets.united()
    count = buckets.counts[:, -1]
    share = (_rank(buckets, upper) - _rank(buckets, lower)) / count
    share = np.where(lower >= upper, 0.0, share)
    return np.where((count == 0) | np.isnan(lower) | np.isnan(upper), np.nan, share)


def _rank(buckets: Buckets, bound: Floats) -> Floats:
    """How many observations of each histogram are below a bound."""
    bounds, counts = buckets.bounds, buckets.counts
    bucket = np.searchsorted(bounds, bound, side="right")
    beyond = bucket >= len(bounds)
    bucket = np.minimum(bucket, len(bounds) - 1)
    lanes, below = np.arange(len(bound)), np.maximum(bucket - 1, 0)
    floor = 0.0 if bounds[0] > 0 else -np.inf
    start = np.where(bucket == 0, floor, bounds[below])
    before = np.where(bucket == 0, 0.0, counts[lanes, below])
    here = counts[lanes, bucket]
    inside = before + (here - before) * (bound - start) / (bounds[bucket] - start)
    inside = np.where(np.isneginf(start), here, inside)
    rank = np.where(start >= bound, before, inside)
    return np.where(beyond, counts[:, -1], np.minimum(rank, counts[:, -1]))
