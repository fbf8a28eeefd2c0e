"""A series as arrays, and the same on a regular grid.

Every function of this package takes times in Unix seconds and values of any order, with gaps, repeated
times, NaN and infinities; these two functions are where all of that ends.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY: Final = 86_400
WEEK: Final = 7 * DAY
MOST_STEPS: Final = 10_000
LARGEST: Final = 1e100
_STEPS: Final = np.array(
    [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, DAY]
)


class Grid(NamedTuple):
    """Values at regular times.

    Attributes:
        start: The first bucket's start, in Unix seconds, a multiple of the step.
        step: Seconds from one to the next; a day is a whole number of steps, or a step of whole days.
        values: The mean of each bucket; NaN where there was nothing. The first and the last have a value.
    """

    start: float
    step: int
    values: Floats

    @property
    def times(self) -> Floats:
        """The start of each bucket, in Unix seconds."""
        return self.start + self.step * np.arange(len(self.values), dtype=np.float64)

    @property
    def per_day(self) -> int:
        """Steps in a day; 0 if a step is too long for a day to have a shape."""
        return DAY // self.step if self.step <= DAY // 4 else 0


def clean(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The points with a value, in the order of time; of repeated times the mean.

    A magnitude above 1e100 is none: no metric is there, and its square would be infinite.
    """
    times, values = np.asarray(times, np.float64), np.asarray(values, np.float64)
    known = np.isfinite(times) & (np.abs(values) <= LARGEST)
    if not known.any():
        return np.empty(0), np.empty(0)
    unique, place = np.unique(times[known], return_inverse=True)
    counts = np.bincount(place)
    means: Floats = (np.bincount(place, values[known]) / counts).astype(np.float64)
    return unique, means


def to_grid(times: Floats, values: Floats, most: int = MOST_STEPS) -> Grid:
    """Means at regular times, as finely as the points are spaced.

    Args:
        times: Unix seconds.
        values: The value at each.
        most: How many steps the grid may have; a longer series gets longer steps.

    Returns:
        The grid; without values if no point is finite.
    """
    times, values = clean(times, values)
    if not len(times):
        return Grid(0.0, 60, values)
    step = _step(times, most)
    place = np.floor_divide(times, step).astype(np.int64)
    first = int(place[0])
    counts = np.bincount(place - first)
    sums = np.bincount(place - first, values)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return Grid(float(first * step), step, means)


def medians(times: Floats, values: Floats, most: int) -> tuple[Floats, Floats]:
    """A thinned series: the medians of at most `most` buckets of equal length, each at its middle.

    A series that has no more points than that is returned as it is.
    """
    times, values = clean(times, values)
    if len(times) <= most:
        return times, values
    place = ((times - times[0]) / (times[-1] - times[0]) * most).astype(np.int64).clip(max=most - 1)
    starts = np.flatnonzero(np.r_[True, np.diff(place) != 0])
    parts = np.split(values, starts[1:])
    middle = times[0] + (place[starts] + 0.5) * (times[-1] - times[0]) / most
    return middle, np.array([np.median(part) for part in parts])


def _step(times: Floats, most: int) -> int:
    spacing = float(np.median(np.diff(times))) if len(times) > 1 else 60.0
    # Half a step of tolerance: scrapes come a little early and late, and must not fall two to a bucket.
    wanted = max(spacing * 0.9, (times[-1] - times[0]) / most)
    fitting = _STEPS[np.searchsorted(_STEPS, wanted) :]
    return int(fitting[0]) if len(fitting) else DAY * int(np.ceil(wanted / DAY))
