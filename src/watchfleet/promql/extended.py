"""The `anchored` and `smoothed` selectors: ranges that look beyond their edges instead of extrapolating."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from watchfleet.promql.errors import QueryError
from watchfleet.promql.frame import Frame
from watchfleet.promql.nodes import Extension
from watchfleet.promql.series import Floats, Ints
from watchfleet.promql.windows import Windows

ALLOWED: Final[dict[str, tuple[str, ...]]] = {
    "anchored": ("changes", "delta", "increase", "rate", "resets"),
    "smoothed": ("delta", "increase", "rate"),
}

Points = tuple[Sequence[int], Sequence[float]]
"""Times in milliseconds, and values."""


def apply(function: str, extension: Extension, windows: Windows) -> Frame:
    """The function's result over extended windows.

    Raises:
        QueryError: The function cannot be used with the modifier.
    """
    if function not in ALLOWED[extension]:
        allowed = ", ".join(ALLOWED[extension])
        raise QueryError(f"{extension} modifier can only be used with: {allowed} - not with {function}")
    compute = _change if function in {"rate", "increase", "delta"} else _tally
    values, present = np.zeros(windows.low.shape), np.zeros(windows.low.shape, bool)
    for row, step in np.argwhere(windows.counts > 0).tolist():
        points = _points(windows, row, step)
        start, end = int(windows.starts[step]), int(windows.ends[step])
        result = compute(points, start, end, function, smoothed=extension == "smoothed")
        if result is not None:
            values[row, step], present[row, step] = result, True
    if function == "rate":
        values = values / windows.seconds
    return windows.frame(values, present)


def edges(points: Points, start: int, end: int, *, smoothed: bool) -> Points:
    """The samples of one window, with one at each of its edges; what an extended selector shows."""
    bounds = _bounds(points, start, end, smoothed=smoothed)
    if bounds is None:
        return [], []
    left, right = _edge_values(points, bounds, start, end, counter=False, smoothed=smoothed)
    ts, values = points
    inside = [at for at in range(len(ts)) if start < ts[at] < end]
    return [start, *(ts[at] for at in inside), end], [left, *(values[at] for at in inside), right]


def smoothed_at(points: Points, at: int, lookback: int) -> float | None:
    """A series' value between two samples, on the line through them; the last one's if none follows.

    Args:
        points: The series.
        at: When, in milliseconds.
        lookback: How far from there samples count, in milliseconds, in either direction.
    """
    ts, values = points
    following = bisect_left(ts, at)
    if following < len(ts) and ts[following] == at:
        return values[following]
    before = following - 1
    if before < 0 or ts[before] <= at - lookback:
        return None
    if following < len(ts) and ts[following] <= at + lookback:
        return _between(points, before, following, at, counter=False)
    return values[before]


def _points(windows: Windows, row: int, step: int) -> Points:
    low, high = int(windows.low[row, step]), int(windows.high[row, step])
    return windows.timestamps[low:high].tolist(), windows.values[low:high].tolist()


def _bounds(points: Points, start: int, end: int, *, smoothed: bool) -> tuple[int, int] | None:
    """The samples that the window begins and ends with; None if nothing lies in it."""
    ts = points[0]
    last = len(ts) - 1
    first = max(0, min(bisect_right(ts, start), last) - 1)
    if smoothed:
        last = min(bisect_left(ts, end), last)
    if ts[last] <= start or (smoothed and ts[first] > end):
        return None
    return first, last


def _edge_values(
    points: Points, bounds: tuple[int, int], start: int, end: int, *, counter: bool, smoothed: bool
) -> tuple[float, float]:
    (ts, values), (first, last) = points, bounds
    left, right = values[first], values[last]
    if smoothed and ts[first] < start:
        left = _between(points, first, first + 1, start, counter=counter)
    if smoothed and last > 0 and ts[last] > end:
        right = _between(points, last - 1, last, end, counter=counter)
    return left, right


def _between(points: Points, before: int, after: int, at: int, *, counter: bool) -> float:
    ts, values = points
    low, high = values[before], values[after]
    if counter and high < low:
        low = 0.0
    return low + (high - low) * (at - ts[before]) / (ts[after] - ts[before])


def _change(points: Points, start: int, end: int, function: str, *, smoothed: bool) -> float | None:
    counter = function != "delta"
    bounds = _bounds(points, start, end, smoothed=smoothed)
    if bounds is None:
        return None
    left, right = _edge_values(points, bounds, start, end, counter=counter, smoothed=smoothed)
    result = right - left
    if not counter:
        return result
    ts, values = points
    first, last = bounds
    within = values[first + (ts[first] <= start) : last + 1 - (ts[last] >= end)]
    return result + sum(a for a, b in zip([left, *within], [*within, right], strict=True) if b < a)


def _tally(points: Points, start: int, _end: int, function: str, *, smoothed: bool) -> float | None:  # noqa: ARG001 - one shape for both
    ts, values = points
    if ts[-1] <= start:
        return None
    taken = values[max(0, bisect_right(ts, start) - 1) :]
    happens = _TALLIES[function]
    return float(sum(happens(a, b) for a, b in pairwise(taken)))


_TALLIES: Final[dict[str, Callable[[float, float], bool]]] = {
    "changes": lambda a, b: a != b and not (a != a and b != b),  # noqa: PLR0124 - only NaN differs from itself
    "resets": lambda a, b: b < a,
}


def extended_columns(windows: Windows, step: int, *, smoothed: bool) -> list[tuple[Ints, Floats]]:
    """The samples, with those at the edges, of each row at one of the times."""
    start, end = int(windows.starts[step]), int(windows.ends[step])
    rows = []
    for row in range(len(windows.series)):
        points = _points(windows, row, step)
        ts, values = edges(points, start, end, smoothed=smoothed) if points[0] else ((), ())
        rows.append((np.array(ts, np.int64), np.array(values, np.float64)))
    return rows
