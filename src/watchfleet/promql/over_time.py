"""The statistics of each window: the functions whose names end in `_over_time`."""

from collections.abc import Callable
from typing import Final

import numpy as np

from watchfleet.promql.frame import Frame
from watchfleet.promql.series import Bools, Floats, Ints
from watchfleet.promql.windows import Windows


def average(windows: Windows) -> Frame:
    """The mean of the samples."""
    if windows.weights is not None:
        return _statistic(windows, windows.segments().sums() / windows.totals().ravel())
    return _statistic(windows, windows.segments().means())


def total(windows: Windows) -> Frame:
    """The sum of the samples."""
    return _statistic(windows, windows.segments().sums())


def smallest(windows: Windows) -> Frame:
    """The least sample; NaN only if there is nothing else."""
    return _statistic(windows, windows.segments().reduce(np.fmin))


def largest(windows: Windows) -> Frame:
    """The greatest sample; NaN only if there is nothing else."""
    return _statistic(windows, windows.segments().reduce(np.fmax))


def variance(windows: Windows) -> Frame:
    """The population variance of the samples."""
    return _statistic(windows, windows.segments().variances(compensated=True))


def deviation(windows: Windows) -> Frame:
    """The population standard deviation of the samples."""
    return _statistic(windows, np.sqrt(windows.segments().variances(compensated=True)))


def median_deviation(windows: Windows) -> Frame:
    """The median absolute deviation of the samples."""
    return _statistic(windows, windows.segments().deviations())


def quantile(windows: Windows, q: Floats) -> Frame:
    """The q-quantile of the samples, one q for each time."""
    spread = np.broadcast_to(q, windows.low.shape).ravel()
    if windows.weights is not None:
        return _statistic(windows, windows.segments().weighted_quantiles(spread, windows.weights))
    return _statistic(windows, windows.segments().quantiles(spread))


def count(windows: Windows) -> Frame:
    """How many samples there are."""
    return _statistic(windows, windows.totals().ravel())


def one(windows: Windows) -> Frame:
    """1 where there are samples."""
    return _statistic(windows, np.ones(windows.low.size))


def latest(windows: Windows) -> Frame:
    """The last sample; keeps the metric's name."""
    return _sample(windows, windows.last(), keeps_name=True)


def earliest(windows: Windows) -> Frame:
    """The first sample; keeps the metric's name."""
    return _sample(windows, windows.first(), keeps_name=True)


def time_of_latest(windows: Windows) -> Frame:
    """When the last sample was, in seconds."""
    return _time(windows, windows.last())


def time_of_earliest(windows: Windows) -> Frame:
    """When the first sample was, in seconds."""
    return _time(windows, windows.first())


def time_of_largest(windows: Windows) -> Frame:
    """When the greatest sample was, the last such, in seconds."""
    return _time_of_best(windows, np.greater_equal)


def time_of_smallest(windows: Windows) -> Frame:
    """When the least sample was, the last such, in seconds."""
    return _time_of_best(windows, np.less_equal)


def _statistic(windows: Windows, values: Floats) -> Frame:
    return windows.frame(windows.shaped(values), windows.counts > 0)


def _sample(windows: Windows, places: Ints, *, keeps_name: bool) -> Frame:
    values = windows.values[places] if len(windows.values) else np.zeros(places.shape)
    return windows.frame(values, windows.counts > 0, keeps_name=keeps_name)


def _time(windows: Windows, places: Ints) -> Frame:
    seconds = windows.timestamps[places] / 1000 if len(windows.values) else np.zeros(places.shape)
    return windows.frame(seconds, windows.counts > 0)


def _time_of_best(windows: Windows, beats: Callable[[Floats, Floats], Bools]) -> Frame:
    """The time of the best sample: a later one wins if it is as good, any wins against NaN."""
    segments = windows.segments()
    places = np.zeros(len(segments.low), np.int64)
    for table in segments.tables():
        best = table.indices[0].copy()
        for lanes, row in table.rows():
            current, challenger = windows.values[best[lanes]], windows.values[row]
            best[lanes] = np.where(beats(challenger, current) | np.isnan(current), row, best[lanes])
        places[table.lanes] = best
    return _time(windows, places.reshape(windows.low.shape))


OVER_TIME: Final[dict[str, Callable[[Windows], Frame]]] = {
    "avg_over_time": average,
    "count_over_time": count,
    "first_over_time": earliest,
    "last_over_time": latest,
    "mad_over_time": median_deviation,
    "max_over_time": largest,
    "min_over_time": smallest,
    "present_over_time": one,
    "stddev_over_time": deviation,
    "stdvar_over_time": variance,
    "sum_over_time": total,
    "ts_of_first_over_time": time_of_earliest,
    "ts_of_last_over_time": time_of_latest,
    "ts_of_max_over_time": time_of_largest,
    "ts_of_min_over_time": time_of_smallest,
}
