"""Days and weeks in a series: whether it has them, and what it is expected to be by them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from watchfleet.metrics.trends.outcome import Reason, Unknown
from watchfleet.metrics.trends.series import DAY, WEEK, Floats, Grid, Ints
from watchfleet.metrics.trends.slope import autocorrelation

CLEAR: Final = 0.3
"""The autocorrelation from which a period counts: it then explains about a third of the variance."""
CYCLES: Final = 2.5
"""How many cycles must be there; with fewer a period cannot be told from a drift."""
FEWEST: Final = 24


@dataclass(frozen=True, slots=True)
class Band:
    """What a series was expected to be.

    Attributes:
        times: Unix seconds.
        values: What it was; NaN in gaps.
        expected: The median of the same time in other cycles; NaN where no other cycle has any.
        low: The lower bound of the values to expect.
        high: The upper bound.
        coverage: The share of past values within the bounds.
        period: The cycle in seconds; None without one.
    """

    times: Floats
    values: Floats
    expected: Floats
    low: Floats
    high: Floats
    coverage: float
    period: int | None

    @property
    def outside(self) -> Ints:
        """The positions of values beyond the bounds."""
        return np.flatnonzero((self.values < self.low) | (self.values > self.high))


def periods(grid: Grid) -> tuple[int, ...]:
    """The periods that a series has, of a day and a week, in seconds.

    A period shows as an autocorrelation at its lag that is clear and a peak: higher than half a period
    before, so that slow drifts do not count. The week must show in what the day leaves over.

    Source: Box, Jenkins and Reinsel, "Time Series Analysis" (2015), 2.1 and 9.1.
    """
    found: list[int] = []
    rest = grid.values - _drift(grid)
    for period in (DAY, WEEK):
        if grid.per_day and _repeats(rest, period // grid.step, found):
            found.append(period)
            rest = rest - profile(grid._replace(values=rest), period)
    return tuple(found)


def _drift(grid: Grid) -> Floats:
    """The straight line through the medians of the series' halves, if they are not in line with noise."""
    n = len(grid.values)
    first, second = grid.values[: n // 2], grid.values[n // 2 :]
    if not np.isfinite(first).any() or not np.isfinite(second).any():
        return np.zeros(n)
    rise = float(np.nanmedian(second) - np.nanmedian(first))
    return np.linspace(-rise, rise, n)


def _repeats(rest: Floats, lag: int, found: list[int]) -> bool:
    if len(rest) < CYCLES * lag:
        return False
    correlations = autocorrelation(_tamed(rest), lag)
    # A week of a daily series is told from its days at a distance of whole days.
    other = lag // 2 if not found else lag * 3 // 7
    return bool(correlations[lag - 1] > max(CLEAR, correlations[other - 1]))


def _tamed(values: Floats) -> Floats:
    """Without outliers: one spike must not hide a day."""
    low, high = np.nanquantile(values, (0.025, 0.975))
    tamed: Floats = np.clip(values, low, high)
    return tamed


def profile(grid: Grid, period: int) -> Floats:
    """For each step the median of the steps at the same time of the other and its own cycles."""
    slots = _slots(grid, period)
    order = np.argsort(slots, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(slots[order]) != 0])
    middle = np.full(period // grid.step, np.nan)
    for part in np.split(order, starts[1:]):
        known = grid.values[part][np.isfinite(grid.values[part])]
        if len(known):
            middle[slots[part[0]]] = np.median(known)
    return middle[slots]


def adjusted(grid: Grid, seasons: tuple[int, ...]) -> Grid:
    """The series without its seasons: each value less what its time of the cycle adds to the usual.

    Args:
        grid: The series.
        seasons: Its periods, as `periods` finds them.
    """
    if not seasons:
        return grid
    drift = _drift(grid)
    rest = grid._replace(values=grid.values - drift)
    for period in seasons:
        shape = profile(rest, period)
        rest = rest._replace(values=rest.values - shape + np.nanmedian(shape))
    return grid._replace(values=rest.values + drift)


def expectation(grid: Grid, seasons: tuple[int, ...], coverage: float = 0.95) -> Band | Unknown:
    """What was to be expected at each step: robust seasonal medians and quantiles of what they leave over.

    The longest period that is there is the cycle; a series without one is expected at its median.

    Args:
        grid: The series.
        seasons: Its periods, as `periods` finds them.
        coverage: The share of values to expect within the bounds, between 0 and 1.

    Returns:
        The band; `too_few_points` below 24 values.
    """
    if np.isfinite(grid.values).sum() < FEWEST:
        return Unknown(Reason.TOO_FEW_POINTS)
    period = seasons[-1] if seasons else None
    expected = profile(grid, period) if period else np.full(len(grid.values), np.nanmedian(grid.values))
    rest = grid.values - expected
    low, high = np.nanquantile(rest, ((1 - coverage) / 2, (1 + coverage) / 2))
    return Band(grid.times, grid.values, expected, expected + low, expected + high, coverage, period)


def _slots(grid: Grid, period: int) -> Ints:
    slots: Ints = (grid.times % period // grid.step).astype(np.int64)
    return slots
