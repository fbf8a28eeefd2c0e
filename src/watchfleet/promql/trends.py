"""Where series are going: least squares and exponential smoothing over each window."""

import numpy as np

from watchfleet.promql.errors import QueryError
from watchfleet.promql.frame import Frame
from watchfleet.promql.segments import Segments, Table, add
from watchfleet.promql.series import Bools, Floats, Ints
from watchfleet.promql.windows import Windows


def derivative(windows: Windows) -> Frame:
    """The slope per second of the line through the samples (least squares)."""
    first = windows.first()
    origins = windows.timestamps[first] if len(windows.timestamps) else first
    slope, _ = _lines(windows, origins)
    return windows.frame(slope, windows.counts >= 2)


def prediction(windows: Windows, ahead: Floats) -> Frame:
    """Where the line through the samples will be, `ahead` seconds after each evaluation time."""
    slope, now = _lines(windows, np.broadcast_to(windows.times, windows.low.shape))
    return windows.frame(slope * ahead + now, windows.counts >= 2)


def smoothed(windows: Windows, smoothing: Floats, trend: Floats) -> Frame:
    """Double exponential smoothing (Holt, 1957) of the samples: the last smoothed value.

    Raises:
        QueryError: A factor is not between 0 and 1 at a time when there are samples.
    """
    asked = windows.anywhere()
    _check_factor("smoothing", smoothing, asked)
    _check_factor("trend", trend, asked)
    segments = windows.segments()
    result = np.zeros(len(segments.low))
    weights = np.broadcast_to(smoothing, windows.low.shape).ravel()
    leanings = np.broadcast_to(trend, windows.low.shape).ravel()
    for table in segments.tables():
        result[table.lanes] = _smooth(segments, table, weights[table.lanes], leanings[table.lanes])
    return windows.frame(windows.shaped(result), windows.counts >= 2)


def _check_factor(name: str, factor: Floats, asked: Bools) -> None:
    wrong = asked & ((factor <= 0) | (factor >= 1))
    if wrong.any():
        letter = name[0]
        value = float(factor[wrong][0])
        raise QueryError(f"invalid {name} factor. Expected: 0 < {letter}f < 1, got: {value:f}")


def _smooth(segments: Segments, table: Table, weight: Floats, leaning: Floats) -> Floats:
    level: Floats = segments.values[table.indices[0]]
    before, slope = np.zeros(len(level)), np.zeros(len(level))
    for turn, (lanes, row) in enumerate(table.rows()):
        value = segments.values[row]
        if turn == 0:
            continue
        if turn == 1:
            slope[lanes] = value - level[lanes]
        else:
            slope[lanes] = (
                leaning[lanes] * (level[lanes] - before[lanes]) + (1 - leaning[lanes]) * slope[lanes]
            )
        next_level = weight[lanes] * value + (1 - weight[lanes]) * (level[lanes] + slope[lanes])
        before[lanes], level[lanes] = level[lanes], next_level
    return level


def _lines(windows: Windows, origins: Ints) -> tuple[Floats, Floats]:
    """The line through each window's samples.

    Args:
        windows: The samples.
        origins: For each window the time that counts as zero, in milliseconds.

    Returns:
        The slope per second, and the line's value at the origin.
    """
    segments = windows.segments()
    slopes, intercepts = np.zeros(len(segments.low)), np.zeros(len(segments.low))
    for table in segments.tables():
        slope, intercept = _fit(windows, segments, table, origins.ravel()[table.lanes])
        slopes[table.lanes], intercepts[table.lanes] = slope, intercept
    return windows.shaped(slopes), windows.shaped(intercepts)


def _fit(windows: Windows, segments: Segments, table: Table, origins: Ints) -> tuple[Floats, Floats]:
    totals, errors = np.zeros((4, len(table.lanes))), np.zeros((4, len(table.lanes)))
    level = segments.values[table.indices[0]]
    flat = np.ones(len(table.lanes), bool)
    for lanes, row in table.rows():
        x, y = (windows.timestamps[row] - origins[lanes]) / 1000, segments.values[row]
        for which, term in enumerate((x, y, x * y, x * x)):
            add(term, totals[which], errors[which], lanes)
        flat[lanes] &= (y == level[lanes]) | (row == table.indices[0][lanes])
    n = table.lengths
    sum_x, sum_y, sum_xy, sum_xx = totals + errors
    slope: Floats = (sum_xy - sum_x * sum_y / n) / (sum_xx - sum_x * sum_x / n)
    intercept = sum_y / n - slope * sum_x / n
    level = np.where(np.isinf(level), np.nan, level)
    return np.where(flat, np.where(np.isnan(level), np.nan, 0.0), slope), np.where(flat, level, intercept)
