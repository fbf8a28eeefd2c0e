"""Where the level of a series changed at once and stayed."""

from typing import Final, NamedTuple

import numpy as np

from watchfleet.metrics.trends.outcome import Reason, Unknown
from watchfleet.metrics.trends.season import adjusted, periods
from watchfleet.metrics.trends.series import DAY, Floats, Grid, to_grid

MOST: Final = 720
FEWEST: Final = 24
SHORTEST: Final = 6
"""How many steps of the grid a level lasts at least: what is shorter is an episode."""
PENALTY: Final = 3.0
"""Times the logarithm of the length and the long-run variance: what a change must save to count."""
LIMIT: Final = 3.0
"""Deviations at which a value is cut off, so that a spike counts as little as the noise around it."""
LONGEST_MEMORY: Final = 0.95
"""The autocorrelation up to which noise and changes of level can be told apart."""
_NORMAL_MAD: Final = 1.4826


class Step(NamedTuple):
    """A change of level.

    Attributes:
        at: When, in Unix seconds: the start of the first step on the new level.
        before: The median on the level before.
        after: The median on the level after.
    """

    at: float
    before: float
    after: float


def find(times: Floats, values: Floats) -> tuple[Step, ...] | Unknown:
    """The changes of level, in the order of time.

    The best division into constant levels under a penalty for each, by optimal partitioning, over at most
    720 means with days and weeks and outliers taken out. A division that a straight line fits better is none.

    Sources: Jackson et al., "An algorithm for optimal partitioning of data on an interval", IEEE Signal
    Processing Letters 12 (2005); Killick, Fearnhead and Eckley, "Optimal detection of changepoints with a
    linear computational cost", JASA 107 (2012); for outliers Fearnhead and Rigaill, "Changepoint detection in
    the presence of outliers", JASA 114 (2019); for the long-run variance under autocorrelation Romano et al.,
    "Detecting abrupt changes in the presence of local fluctuations and autocorrelated noise", JASA 117
    (2022).

    Returns:
        The steps; `too_few_points` below 24 values.
    """
    grid = to_grid(times, values, MOST)
    if np.isfinite(grid.values).sum() < FEWEST:
        return Unknown(Reason.TOO_FEW_POINTS)
    grid = adjusted(grid, periods(grid))
    known = np.flatnonzero(np.isfinite(grid.values))
    series = grid.values[known]
    deviation, memory = _noise(series)
    if deviation == 0:
        return tuple(_steps(grid, known, _plain_changes(series)))
    scaled = _tame((series - np.median(series)) / deviation)
    changes = _divide(scaled, PENALTY * memory * np.log(len(scaled)))
    return tuple(_steps(grid, known, _not_ramps(scaled, changes)))


def _noise(series: Floats) -> tuple[float, float]:
    """The deviation of the noise and by how much its memory raises the long-run variance.

    From differences at distances of one to three, which changes of level hardly touch: of an AR(1) half
    their variance is s^2 (1 - phi^k). The longer memory of two estimates counts.
    """
    first, second, third = (_mad(series[lag:] - series[:-lag]) ** 2 / 2 for lag in (1, 2, 3))
    if first == 0:
        return 0.0, 1.0
    from_second = second / first - 1
    from_third = (np.sqrt(max(4 * third / first - 3, 0.0)) - 1) / 2
    phi = float(np.clip(max(from_second, from_third), 0.0, LONGEST_MEMORY))
    return float(np.sqrt(first / (1 - phi))), (1 + phi) / (1 - phi)


def _mad(values: Floats) -> float:
    return float(np.median(np.abs(values - np.median(values)))) * _NORMAL_MAD


def _tame(scaled: Floats) -> Floats:
    """Cut off what is far from the medians before and after it, whichever is nearer.

    So a spike goes, and so does a mean of values from before and after a step, which is on neither level.
    """
    padded = np.pad(scaled, SHORTEST, mode="reflect")
    medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, SHORTEST), axis=-1)
    before, after = medians[: len(scaled)], medians[SHORTEST + 1 :]
    nearer = np.where(np.abs(scaled - before) <= np.abs(scaled - after), before, after)
    tamed: Floats = nearer + np.clip(scaled - nearer, -LIMIT, LIMIT)
    return tamed


def _plain_changes(series: Floats) -> list[int]:
    """Of a series without noise: where a value that stays replaces one that stayed."""
    starts = np.flatnonzero(np.r_[True, np.diff(series) != 0])
    lengths = np.diff(np.r_[starts, len(series)])
    kept = starts[lengths >= SHORTEST]
    return [int(at) for at, last in zip(kept[1:], kept[:-1], strict=True) if series[at] != series[last]]


def _divide(series: Floats, penalty: float) -> list[int]:
    """The starts of the levels after the first, by dynamic programming over where the last one starts."""
    n = len(series)
    sums, squares = (np.r_[0.0, np.cumsum(part)] for part in (series, series**2))
    best, came = np.full(n + 1, np.inf), np.zeros(n + 1, np.int64)
    best[0] = -penalty
    for end in range(SHORTEST, n + 1):
        start = np.arange(end - SHORTEST + 1)
        cost = squares[end] - squares[start] - (sums[end] - sums[start]) ** 2 / (end - start)
        total = best[start] + cost + penalty
        came[end] = int(np.argmin(total))
        best[end] = total[came[end]]
    changes, at = [], int(came[n])
    while at > 0:
        changes.append(at)
        at = int(came[at])
    return changes[::-1]


def _not_ramps(series: Floats, changes: list[int]) -> list[int]:
    """The changes around which two levels fit better than a line that goes on at the same slope.

    When one falls away its neighbours have longer levels beside them, and are looked at again.
    """
    while changes:
        edges = [0, *changes, len(series)]
        spans = zip(edges, edges[1:], edges[2:], strict=False)
        kept = [at for start, at, end in spans if _is_step(series[start:end], at - start)]
        if kept == changes:
            break
        changes = kept
    return changes


def _is_step(series: Floats, at: int) -> bool:
    x = np.arange(len(series)) - (len(series) - 1) / 2
    line = series - series.mean() - x * (x @ series) / (x @ x)
    levels = np.r_[series[:at] - series[:at].mean(), series[at:] - series[at:].mean()]
    return bool(levels @ levels < line @ line)


def _steps(grid: Grid, known: "np.ndarray[tuple[int], np.dtype[np.int64]]", changes: list[int]) -> list[Step]:
    values, times = grid.values[known], grid.times[known]
    edges = [0, *changes, len(values)]
    return [
        Step(float(times[at]), float(np.median(values[start:at])), float(np.median(values[at:end])))
        for start, at, end in zip(edges, edges[1:], edges[2:], strict=False)
    ]


def last_level(times: Floats, values: Floats, steps: tuple[Step, ...]) -> tuple[Floats, Floats]:
    """The points since the last step, unless it is so new that they say nothing about a trend."""
    if not steps or times[-1] - steps[-1].at < min(DAY, (times[-1] - times[0]) / 8):
        return times, values
    since = times >= steps[-1].at
    return times[since], values[since]
