"""When a series will be at a threshold if it goes on as it does."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from watchfleet.metrics.trends.forecast import Forecast
from watchfleet.metrics.trends.outcome import Unknown
from watchfleet.metrics.trends.series import DAY, Floats, clean
from watchfleet.metrics.trends.slope import fit

FURTHEST: Final = 3650 * DAY
"""A time beyond that is not told: it counts as never."""


class Outcome(StrEnum):
    """Whether the threshold will be reached."""

    THERE = "there"
    """Values as they come now are at the threshold."""
    EXPECTED = "expected"
    """The trend leads there."""
    POSSIBLE = "possible"
    """Not by the trend as estimated, but within what is known of it."""
    NEVER = "never"
    """The series stays, or goes the other way."""


@dataclass(frozen=True, slots=True)
class Until:
    """When a threshold is reached.

    Attributes:
        threshold: The value.
        outcome: Whether at all.
        earliest: Seconds from the last point until it may be, by the steepest slope and the values furthest
            that way; None for never.
        expected: Seconds until the line is there; None for never.
        latest: Seconds until it will have been, by the flattest slope and the values least far; None if it
            may be never.
        beyond_history: Whether the expected time lies further ahead than the history goes back.
    """

    threshold: float
    outcome: Outcome
    earliest: float | None
    expected: float | None
    latest: float | None
    beyond_history: bool


def time_until(times: Floats, values: Floats, threshold: float, confidence: float = 0.95) -> Until | Unknown:
    """Extrapolate the robust line (`watchfleet.metrics.trends.slope.fit`), with its uncertainty.

    A threshold above the line's present value is reached by rising, one below it by falling.

    Args:
        times: Unix seconds.
        values: The value at each.
        threshold: The value asked for.
        confidence: Of the slope's interval and of the values around the line.

    Returns:
        When; `too_few_points` where there is no slope.
    """
    slope = fit(times, values, confidence)
    if isinstance(slope, Unknown):
        return slope
    times, values = clean(times, values)
    sign = 1.0 if threshold >= slope.level else -1.0
    rest = sign * (values - slope.level - slope.per_second * (times - slope.at))
    low, high = np.quantile(rest, ((1 - confidence) / 2, (1 + confidence) / 2)).tolist()
    left = sign * (threshold - slope.level)
    slowest, fastest = sorted((sign * slope.low, sign * slope.high))
    trend = sign * slope.per_second if slope.is_significant else 0.0
    earliest, expected = _time(left - high, fastest), _time(left, trend)
    latest = _time(left - low, slowest) if slope.is_significant else None
    far = expected is not None and expected > float(times[-1] - times[0])
    return Until(threshold, _outcome(earliest, expected), earliest, expected, latest, far)


def no_later_than(until: Until, ahead: Forecast) -> Until:
    """The same, if the forecast's widest interval holds the threshold sooner than the line may reach it."""
    widest = ahead.intervals[-1]
    crossed = np.flatnonzero((widest.low <= until.threshold) & (until.threshold <= widest.high))
    if not len(crossed):
        return until
    step = ahead.times[1] - ahead.times[0] if len(ahead.times) > 1 else 0.0
    soonest = float(ahead.times[crossed[0]] - ahead.times[0] + step)
    if until.earliest is not None and until.earliest <= soonest:
        return until
    outcome = Outcome.POSSIBLE if until.outcome is Outcome.NEVER else until.outcome
    return replace(until, outcome=outcome, earliest=soonest)


def _time(left: float, speed: float) -> float | None:
    if left <= 0:
        return 0.0
    # Compared by multiplication: a tiny speed would overflow the quotient.
    return left / speed if speed > 0 and left <= speed * FURTHEST else None


def _outcome(earliest: float | None, expected: float | None) -> Outcome:
    if earliest == 0:
        return Outcome.THERE
    if expected is not None:
        return Outcome.EXPECTED
    return Outcome.POSSIBLE if earliest is not None else Outcome.NEVER
