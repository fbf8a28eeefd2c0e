"""The simple forecasts among which a series chooses by how they would have done.

All of them are medians, which outliers do not move, and each is computed for many origins at once: an
origin is the number of values that are known when the forecast is made, and a path its values for the steps
after. Nothing at or after an origin goes into its path.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from watchfleet.metrics.trends.series import DAY, Floats, Grid, Ints

DAYS: Final = (1, 3, 7)
WEEKS: Final = 3
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class History:
    """What the forecasts are made of.

    Attributes:
        values: The series; NaN in gaps.
        filled: The same with each gap at the value before it.
        smooth: The medians of the half hour around each step.
        reach: How many steps after its own a value of `smooth` looks at.
        per_day: Steps in a day; 0 if days have no shape.
        short: Steps in six hours.
        long: Steps in a day, or enough for a median where a step is longer.
    """

    values: Floats
    filled: Floats
    smooth: Floats
    reach: int
    per_day: int
    short: int
    long: int


def history(grid: Grid) -> History:
    """Prepare a series that begins with a value."""
    values = grid.values
    known = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), 0))
    reach = _HOUR // 4 // grid.step
    padded = np.pad(values, reach, constant_values=np.nan)
    smooth = middle(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)) if reach else values
    short, long = max(1, 6 * _HOUR // grid.step), max(5, DAY // grid.step)
    return History(values, values[known], smooth, reach, grid.per_day, short, long)


def paths(past: History, origins: Ints, horizon: int) -> dict[str, Floats]:
    """Every candidate's path from every origin: rows are origins, columns the steps after."""
    leads = np.arange(horizon)
    last = past.filled[origins - 1]
    slope = _slope(past, origins)
    recent = _or(_level(past, origins, past.short), last)
    found = {
        "last": last[:, None] + 0.0 * leads,
        "level": recent[:, None] + 0.0 * leads,
        "day_level": _or(_level(past, origins, past.long), last)[:, None] + 0.0 * leads,
        "drift": recent[:, None] + slope[:, None] * (leads + 1 + past.short / 2),
    }
    if past.per_day and len(past.values) >= 2 * past.per_day:
        found |= _seasonal(past, origins, leads, found["day_level"], slope)
    found["mean"] = np.mean(list(found.values()), axis=0)
    return found


def _seasonal(past: History, origins: Ints, leads: Ints, level: Floats, slope: Floats) -> dict[str, Floats]:
    day = past.per_day
    found = {f"days_{count}": _same_time(past, origins, leads, day, count) for count in DAYS}
    found["week_1"] = _same_time(past, origins, leads, 7 * day, 1)
    found[f"weeks_{WEEKS}"] = _same_time(past, origins, leads, 7 * day, WEEKS)
    found = {name: np.where(np.isfinite(path), path, level) for name, path in found.items()}
    if len(past.values) < 15 * day:
        del found["week_1"], found[f"weeks_{WEEKS}"]
    usual = found[f"days_{DAYS[-1]}"]
    away = _deviation(past, origins)[:, None]
    found["days_shifted"] = usual + away * np.exp(-2 * leads / max(day, len(leads)))
    found["days_drift"] = found["days_1"] + slope[:, None] * day * (1 + leads // day)
    return found


def _same_time(past: History, origins: Ints, leads: Ints, period: int, count: int) -> Floats:
    """The median of the last `count` cycles at the same time; a single cycle as it was, unsmoothed."""
    reach, values = (past.reach, past.smooth) if count > 1 else (0, past.values)
    newest = origins[:, None] + leads - period * (1 + leads // period)
    newest = np.minimum(newest, origins[:, None] - 1 - reach)
    return middle(np.stack([_at(values, newest - period * back) for back in range(count)], -1))


def _deviation(past: History, origins: Ints) -> Floats:
    """How far the last hours were from what is usual at their time."""
    steps = np.arange(past.short)
    usual = _same_time(past, origins - past.short, steps, past.per_day, DAYS[-1])
    away = middle(_at(past.values, (origins - past.short)[:, None] + steps) - usual)
    return np.nan_to_num(away)


def _level(past: History, origins: Ints, width: int) -> Floats:
    return middle(_at(past.values, origins[:, None] - 1 - np.arange(width)))


def _slope(past: History, origins: Ints) -> Floats:
    """Per step: the median of the changes since one day before, so that the time of day cancels out.

    Source: Hirsch, Slack and Smith, "Techniques of trend analysis for monthly water quality data", Water
    Resources Research 18 (1982): the seasonal Kendall slope, here of neighbouring cycles.
    """
    lag = past.long
    back = origins[:, None] - 1 - np.arange(3 * lag)
    return np.nan_to_num(middle(_at(past.values, back) - _at(past.values, back - lag)) / lag)


def _at(values: Floats, index: Ints) -> Floats:
    """Values by position; NaN before the first."""
    return np.where(index >= 0, values[np.maximum(index, 0)], np.nan)


def _or(first: Floats, second: Floats) -> Floats:
    return np.where(np.isfinite(first), first, second)


def middle(values: Floats) -> Floats:
    """The median along the last axis of what is not NaN; NaN where nothing is."""
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), -1)
    high = np.take_along_axis(ordered, np.minimum(count // 2, ordered.shape[-1] - 1), -1)
    return np.where(count > 0, low / 2 + high / 2, np.nan)[..., 0]
