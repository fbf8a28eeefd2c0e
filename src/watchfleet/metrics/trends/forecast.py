"""What a series will be: a path with intervals that hold as many values as they say.

The forecast is made as often as the history allows at past origins, by each of a few simple candidates. The
one whose errors would have given the best intervals is taken, and its errors become the intervals. So a
series without days is not forced into days, and a series that has always surprised has wide intervals.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from watchfleet.metrics.trends import candidates, conformal
from watchfleet.metrics.trends.outcome import Reason, Unknown
from watchfleet.metrics.trends.series import DAY, Floats, Grid, Ints

COVERAGES: Final = (0.8, 0.95)
FEWEST: Final = 24
ORIGINS_PER_HORIZON: Final = 8
MOST_ORIGINS: Final = 240
MOST_STEPS: Final = 2016


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds for each step.

    Attributes:
        coverage: The share of values to expect within them.
        low: The lower bounds.
        high: The upper bounds.
    """

    coverage: float
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Forecast:
    """A path into the future.

    Attributes:
        times: Unix seconds, from the step after the last known one.
        values: The middle of what is to be expected at each.
        intervals: Bounds, from the narrowest coverage to the widest; each lies within the next.
        method: The candidate that was taken.
        origins: How many past forecasts the intervals rest on.
    """

    times: Floats
    values: Floats
    intervals: tuple[Interval, ...]
    method: str
    origins: int


def forecast(
    grid: Grid, horizon: float = DAY, coverages: tuple[float, ...] = COVERAGES
) -> Forecast | Unknown:
    """Forecast a series.

    The candidates are named in `watchfleet.metrics.trends.candidates`; the choice is by interval score in
    the backtest and the intervals are conformal (sources in `watchfleet.metrics.trends.conformal`), as in
    Hyndman and Athanasopoulos, "Forecasting: Principles and Practice" (2021), 5.10: rolling origins.

    Args:
        grid: The history.
        horizon: How far to look ahead, in seconds.
        coverages: The intervals wanted, ascending.

    Returns:
        The forecast; `too_few_points` below 24 values, `history_too_short` if the history is not at least
        twice as long as the horizon, or the horizon has more than 2016 steps.
    """
    steps = max(1, round(horizon / grid.step))
    if np.isfinite(grid.values).sum() < FEWEST:
        return Unknown(Reason.TOO_FEW_POINTS)
    if len(grid.values) < 2 * steps or steps > MOST_STEPS:
        return Unknown(Reason.HISTORY_TOO_SHORT)
    known = len(grid.values)
    origins = _origins(known, steps, grid.per_day)
    paths = candidates.paths(candidates.history(grid), np.append(origins, known), steps)
    method, errors = _choose(grid.values, origins, paths, coverages)
    path = paths[method][-1]
    middle, intervals = _around(path, errors, len(origins), coverages)
    bound = 0.0 if np.nanmin(grid.values) >= 0 else -np.inf
    times = grid.start + grid.step * np.arange(known, known + steps, dtype=np.float64)
    kept = tuple(
        Interval(one.coverage, np.maximum(one.low, bound), np.maximum(one.high, bound)) for one in intervals
    )
    return Forecast(times, np.maximum(middle, bound), kept, method, len(origins))


def _origins(known: int, steps: int, per_day: int) -> Ints:
    """Past origins, the newest first to be kept: forecasts from the last ones are known in part only."""
    stride = max(1, steps // ORIGINS_PER_HORIZON)
    earliest = min(max(per_day, FEWEST // 2), known // 2)
    return np.arange(known - stride, earliest - 1, -stride)[:MOST_ORIGINS][::-1]


def _choose(
    values: Floats, origins: Ints, paths: dict[str, Floats], coverages: tuple[float, ...]
) -> tuple[str, Floats]:
    """The candidate with the best score, and its errors; NaN where the value is not known."""
    horizon = paths["last"].shape[1]
    index = origins[:, None] + np.arange(horizon)
    actual = np.where(index < len(values), values[np.minimum(index, len(values) - 1)], np.nan)
    errors = {name: actual - path[:-1] for name, path in paths.items()}
    part = conformal.bins(horizon)
    scores = {name: _score(one, part, coverages) for name, one in errors.items()}
    best = min(scores, key=lambda name: scores[name])
    return best, errors[best]


def _score(errors: Floats, part: Ints, coverages: tuple[float, ...]) -> float:
    pools = (_known(errors[:, part == each]) for each in range(int(part[-1]) + 1))
    return sum(conformal.score(pool, coverages) for pool in pools if len(pool) >= conformal.FEWEST)


def _around(
    path: Floats, errors: Floats, origins: int, coverages: tuple[float, ...]
) -> tuple[Floats, list[Interval]]:
    """The path's middle and its intervals, by the errors of each part of the horizon."""
    part = conformal.bins(len(path))
    middle = path.copy()
    bounds = np.zeros((len(coverages), 2, len(path)))
    pool = _known(errors)
    for each in range(int(part[-1]) + 1):
        own = _known(errors[:, part == each])
        pool = own if len(own) >= conformal.FEWEST else pool
        middle[part == each] += np.median(pool)
        for place, coverage in enumerate(coverages):
            bounds[place, :, part == each] = conformal.narrowest(pool, coverage, origins)
    intervals: list[Interval] = []
    low, high = middle, middle
    for coverage, (below, above) in zip(coverages, bounds, strict=True):
        low, high = np.minimum(low, path + below), np.maximum(high, path + above)
        intervals.append(Interval(coverage, low, high))
    return middle, intervals


def _known(errors: Floats) -> Floats:
    flat: Floats = errors.ravel()
    return flat[np.isfinite(flat)]
