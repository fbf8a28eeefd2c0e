"""How a series is beside what it was: a window before, and the same hour of the week in past weeks."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from watchfleet.metrics.trends.outcome import Reason, Unknown
from watchfleet.metrics.trends.series import WEEK, Floats, clean

WEEKS: Final = 4


@dataclass(frozen=True, slots=True)
class Change:
    """A window's median beside that of others.

    Attributes:
        now: The median of the window.
        before: The median of what it is compared with.
        low: The least of what it is compared with: the lower quartile of one window, the lowest of several.
        high: The greatest, likewise.
        compared: How many windows that are.
    """

    now: float
    before: float
    low: float
    high: float
    compared: int

    @property
    def absolute(self) -> float:
        """By how much it rose."""
        return self.now - self.before

    @property
    def relative(self) -> float | None:
        """By which share of what it was; None if that was zero."""
        return self.absolute / abs(self.before) if self.before else None


def with_before(times: Floats, values: Floats, start: float, end: float) -> Change | Unknown:
    """The window from `start` to `end` beside the one of the same length before it.

    Args:
        times: Unix seconds.
        values: The value at each.
        start: The window's start, inclusive.
        end: Its end, exclusive.

    Returns:
        The change, its `low` and `high` the quartiles before; `too_few_points` if the window has no value,
        `nothing_before` if the one before has none.
    """
    times, values = clean(times, values)
    inside = _between(times, values, start, end)
    before = _between(times, values, 2 * start - end, start)
    if not len(inside):
        return Unknown(Reason.TOO_FEW_POINTS)
    if not len(before):
        return Unknown(Reason.NOTHING_BEFORE)
    low, middle, high = np.quantile(before, (0.25, 0.5, 0.75))
    return Change(float(np.median(inside)), float(middle), float(low), float(high), 1)


def with_past_weeks(
    times: Floats, values: Floats, end: float, length: float = 3600, weeks: int = WEEKS
) -> Change | Unknown:
    """The last hour beside the same hour and weekday of the weeks before; weeks are of 168 hours.

    Args:
        times: Unix seconds.
        values: The value at each.
        end: The hour's end, exclusive, in Unix seconds.
        length: Its length in seconds, if not an hour.
        weeks: How many weeks to look back.

    Returns:
        The change beside the median of the weeks' medians; `too_few_points` if the hour has no value,
        `no_past_weeks` if no week has any.
    """
    times, values = clean(times, values)
    inside = _between(times, values, end - length, end)
    if not len(inside):
        return Unknown(Reason.TOO_FEW_POINTS)
    ends = [end - back * WEEK for back in range(1, weeks + 1)]
    past = [part for at in ends if len(part := _between(times, values, at - length, at))]
    if not past:
        return Unknown(Reason.NO_PAST_WEEKS)
    middles = np.array([np.median(part) for part in past])
    now, before = float(np.median(inside)), float(np.median(middles))
    return Change(now, before, float(middles.min()), float(middles.max()), len(past))


def _between(times: Floats, values: Floats, start: float, end: float) -> Floats:
    return values[(times >= start) & (times < end)]
