"""Stretches of samples, and the statistics of each: the arithmetic under aggregations and windows.

Sums are Neumaier's (Kahan's compensated sum, mended by A. Neumaier, ZAMM 54, 1974), variances Welford's
(Technometrics 4, 1962), both in the order in which Prometheus adds, so that the numbers are the same.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from watchfleet.promql.limits import Budget
from watchfleet.promql.series import Floats, Ints

_BLOCK: Final = 1_000_000
"""Samples that are laid out as a table at once."""
_FEW: Final = 48
"""So few stretches are summed faster by Python, number by number, than by numpy, table row by table row."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Some stretches side by side, the shortest first.

    Attributes:
        lanes: Which stretches.
        lengths: How many samples each has, rising.
        indices: Samples by stretches: where the n-th sample of each is; past a stretch's end, any place.
    """

    lanes: Ints
    lengths: Ints
    indices: Ints

    def rows(self) -> Iterator[tuple[slice, Ints]]:
        """The n-th samples: which stretches have one (those from some place on), and where they are."""
        firsts = np.searchsorted(self.lengths, np.arange(len(self.indices)), side="right").tolist()
        for first, row in zip(firsts, self.indices, strict=True):
            yield slice(first, None), row[first:]


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Stretches of a long array; they may overlap.

    Attributes:
        values: The array.
        low: Where each stretch begins.
        lengths: How many values it has.
        budget: What the query may still cost.
    """

    values: Floats
    low: Ints
    lengths: Ints
    budget: Budget

    def tables(self) -> Iterator[Table]:
        """The stretches that have values, in portions that fit into memory."""
        order = np.argsort(self.lengths, kind="stable")
        lengths = self.lengths[order]
        at = int(np.searchsorted(lengths, 0, side="right"))
        while at < len(order):
            self.budget.tick()
            end = _block_end(lengths, at)
            lanes, size = order[at:end], int(lengths[end - 1])
            indices = self.low[lanes] + np.arange(size)[:, None]
            yield Table(lanes, lengths[at:end], np.minimum(indices, len(self.values) - 1))
            at = end

    def reduce(self, ufunc: np.ufunc) -> Floats:
        """A plain reduction such as `np.fmax`; empty stretches give NaN."""
        result = np.full(len(self.low), np.nan)
        used = np.flatnonzero(self.lengths)
        if len(used):
            ends = self.low[used] + self.lengths[used]
            bounds = np.column_stack((self.low[used], ends)).ravel()
            padded = np.append(self.values, 0.0)  # reduceat wants every bound to be a place
            result[used] = ufunc.reduceat(padded, bounds)[::2]
        return result

    def sums(self, start: float = 0.0) -> Floats:
        """The compensated sum of each stretch, counted from `start`: 0, or -0.0 to keep negative zeros."""
        total, error = self._compensated(start)
        return np.where(np.isinf(total), total, total + error)

    def means(self) -> Floats:
        """The mean of each stretch; running where the sum would overflow."""
        total, error = self._compensated(-0.0)
        mean = total / self.lengths + error / self.lengths
        for lane in np.flatnonzero(~np.isfinite(total) & (self.lengths > 0)).tolist():
            part = self._stretch(lane)
            mean[lane] = math.nan if any(map(math.isnan, part)) else _running_mean(part)
        return mean

    def variances(self, *, compensated: bool) -> Floats:
        """The population variance of each stretch; `compensated` as over time, else as over series."""
        result = np.full(len(self.low), np.nan)
        for table in self.tables():
            size = len(table.lanes)
            mean, mean_error, spread, spread_error = (np.zeros(size) for _ in range(4))
            for count, (lanes, row) in enumerate(table.rows(), 1):
                value = self.values[row]
                delta = value - (mean[lanes] + mean_error[lanes])
                add(delta / count, mean, mean_error, lanes, compensated=compensated)
                deviation = delta * (value - (mean[lanes] + mean_error[lanes]))
                add(deviation, spread, spread_error, lanes, compensated=compensated)
            result[table.lanes] = (spread + spread_error) / table.lengths
        return result

    def quantiles(self, q: Floats) -> Floats:
        """The q-quantile of each stretch, one q for each; NaN counts as less than any number."""
        result = np.full(len(self.low), np.nan)
        for table in self.tables():
            outside = np.arange(len(table.indices))[:, None] >= table.lengths
            ordered = np.sort(np.where(outside, np.nan, self.values[table.indices]), axis=0)
            result[table.lanes] = _interpolate(ordered, table.lengths, q[table.lanes])
        return result

    def weighted_quantiles(self, q: Floats, weights: Floats) -> Floats:
        """As `quantiles`, where each value occurs as often as its weight says."""
        result = np.full(len(self.low), np.nan)
        for lane in np.flatnonzero(self.lengths).tolist():
            self.budget.tick()
            part = slice(int(self.low[lane]), int(self.low[lane] + self.lengths[lane]))
            result[lane] = _weighted_quantile(self.values[part], weights[part], float(q[lane]))
        return result

    def deviations(self) -> Floats:
        """The median of each stretch's distances from its median."""
        result = np.full(len(self.low), np.nan)
        for table in self.tables():
            half = np.full(len(table.lanes), 0.5)
            outside = np.arange(len(table.indices))[:, None] >= table.lengths
            ordered = np.sort(np.where(outside, np.nan, self.values[table.indices]), axis=0)
            distance = np.abs(ordered - _interpolate(ordered, table.lengths, half))
            result[table.lanes] = _interpolate(np.sort(distance, axis=0), table.lengths, half)
        return result

    def _compensated(self, start: float) -> tuple[Floats, Floats]:
        total, error = np.full(len(self.low), start), np.zeros(len(self.low))
        if len(self.low) <= _FEW:
            for lane in np.flatnonzero(self.lengths).tolist():
                self.budget.tick()
                total[lane], error[lane] = _neumaier(self._stretch(lane), start)
            return total, error
        for table in self.tables():
            sums, errors = np.full(len(table.lanes), start), np.zeros(len(table.lanes))
            for lanes, row in table.rows():
                add(self.values[row], sums, errors, lanes)
            total[table.lanes], error[table.lanes] = sums, errors
        return total, error

    def _stretch(self, lane: int) -> list[float]:
        low = int(self.low[lane])
        part: list[float] = self.values[low : low + int(self.lengths[lane])].tolist()
        return part


def _block_end(lengths: Ints, at: int) -> int:
    """The place after the last stretch that fits beside those from `at` on, all as long as the longest."""
    most = min(len(lengths), at + max(1, _BLOCK // int(lengths[at])))
    sizes = lengths[at:most] * np.arange(1, most - at + 1)
    return at + max(1, int(np.searchsorted(sizes, _BLOCK, side="right")))


def add(value: Floats, total: Floats, error: Floats, lanes: slice, *, compensated: bool = True) -> None:
    """Add one number to each of some sums, in place.

    Args:
        value: The numbers.
        total: All the sums so far.
        error: What rounding has lost of each.
        lanes: The sums that the numbers belong to.
        compensated: Whether to keep account of the loss.
    """
    before = total[lanes]
    after = before + value
    if compensated:
        lost = np.where(np.abs(before) >= np.abs(value), (before - after) + value, (value - after) + before)
        error[lanes] = np.where(np.isinf(after), 0.0, error[lanes] + lost)
    total[lanes] = after


def _neumaier(values: list[float], start: float) -> tuple[float, float]:
    total, error = start, 0.0
    for value in values:
        after = total + value
        if after in {math.inf, -math.inf}:
            error = 0.0
        elif abs(total) >= abs(value):
            error += (total - after) + value
        else:
            error += (value - after) + total
        total = after
    return total, error


def _running_mean(values: list[float]) -> float:
    """The mean of numbers whose sum overflows, or that are infinite."""
    total, error, mean = values[0], 0.0, math.nan
    running = False
    for count, value in enumerate(values[1:], 2):
        if not running:
            after, lost = _neumaier_step(value, total, error)
            if not math.isinf(after):
                total, error = after, lost
                continue
            running, mean, error = True, total / (count - 1), error / (count - 1)
        share = (count - 1) / count
        mean, error = _neumaier_step(value / count, share * mean, share * error)
    return mean + error if running else total / len(values) + error / len(values)


def _neumaier_step(value: float, total: float, error: float) -> tuple[float, float]:
    after = total + value
    if math.isinf(after):
        return after, 0.0
    if abs(total) >= abs(value):
        return after, error + ((total - after) + value)
    return after, error + ((value - after) + total)


def _interpolate(ordered: Floats, lengths: Ints, q: Floats) -> Floats:
    """The q-quantile of each column of a sorted table whose NaN, real ones and padding, come last."""
    missing = lengths - (~np.isnan(ordered)).sum(axis=0)
    rank = q * (lengths - 1)
    floor = np.maximum(0, np.floor(rank))
    lower = np.where(np.isfinite(floor), floor, 0).astype(np.intp).clip(0, lengths - 1)
    upper = np.minimum(lengths - 1, lower + 1)
    weight = rank - np.floor(rank)
    value = _at(ordered, lower, missing) * (1 - weight) + _at(ordered, upper, missing) * weight
    value = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, value))
    return np.where(np.isnan(q), np.nan, value)


def _weighted_quantile(values: Floats, weights: Floats, q: float) -> float:
    if not 0 <= q <= 1:
        return math.nan if math.isnan(q) else math.copysign(math.inf, q)
    order = np.argsort(values)
    upto = np.cumsum(weights[order])
    rank = q * (upto[-1] - 1)
    ranks = np.minimum((np.floor(rank), np.floor(rank) + 1), upto[-1] - 1)
    lower, upper = values[order][np.searchsorted(upto, ranks, side="right")]
    share = rank - math.floor(rank)
    return float(lower * (1 - share) + upper * share)


def _at(ordered: Floats, rank: Ints, missing: Ints) -> Floats:
    """The values at some ranks, where the real NaN come before all numbers."""
    columns = np.arange(ordered.shape[1])
    return np.where(rank < missing, np.nan, ordered[np.maximum(rank - missing, 0), columns])
