"""Everything that is known of a series' trend, at once."""

from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from watchfleet.metrics.trends import compare, season, slope, steps, threshold
from watchfleet.metrics.trends.compare import Change
from watchfleet.metrics.trends.forecast import MOST_STEPS as MOST_AHEAD
from watchfleet.metrics.trends.forecast import Forecast, forecast
from watchfleet.metrics.trends.outcome import Unknown
from watchfleet.metrics.trends.season import Band
from watchfleet.metrics.trends.series import DAY, MOST_STEPS, Floats, clean, to_grid
from watchfleet.metrics.trends.slope import Slope
from watchfleet.metrics.trends.steps import Step
from watchfleet.metrics.trends.threshold import Until


@dataclass(frozen=True, slots=True)
class Trend:
    """What is known of a series; each part is an answer, or why there is none.

    Attributes:
        since: The window's start, in Unix seconds.
        until: Its end.
        points: How many points it has.
        last_at: When the last of them is; None without any.
        last: Its value.
        slope: Where it goes, without its seasons, over the part since the last step.
        before: Its median beside that of the window before.
        weeks: Its last hour beside that hour of past weeks.
        steps: When its level changed.
        seasons: Its periods in seconds.
        band: What the last value was expected to be.
        forecast: What it will be.
        reaches: When it is at the threshold; None if none was asked for.
    """

    since: float
    until: float
    points: int
    last_at: float | None
    last: float | None
    slope: Slope | Unknown
    before: Change | Unknown
    weeks: Change | Unknown
    steps: tuple[Step, ...] | Unknown
    seasons: tuple[int, ...]
    band: Band | Unknown
    forecast: Forecast | Unknown
    reaches: Until | Unknown | None


def describe(
    times: Floats,
    values: Floats,
    window: tuple[float, float],
    past: tuple[Floats, Floats] | None = None,
    *,
    horizon: float = DAY,
    limit: float | None = None,
) -> Trend:
    """Find out everything about a window of a series.

    Args:
        times: Unix seconds.
        values: The value at each.
        window: Its start, inclusive, and its end, exclusive.
        past: Times and values to compare with, which go further back and may be coarser; by default the same.
        horizon: How far to forecast, in seconds.
        limit: The threshold to ask for, if any.
    """
    start, end = window
    times, values = clean(times, values)
    before = past if past is not None else (times, values)
    inside = (times >= start) & (times < end)
    times, values = times[inside], values[inside]
    grid = to_grid(times, values)
    seasons = season.periods(grid)
    found = steps.find(times, values)
    plain = season.adjusted(grid, seasons)
    level = steps.last_level(*clean(plain.times, plain.values), () if isinstance(found, Unknown) else found)
    ahead = forecast(to_grid(times, values, _fineness(window, horizon)), horizon)
    return Trend(
        since=start,
        until=end,
        points=len(times),
        last_at=float(times[-1]) if len(times) else None,
        last=float(values[-1]) if len(times) else None,
        slope=slope.fit(*level),
        before=compare.with_before(*before, start, end),
        weeks=compare.with_past_weeks(*before, end),
        steps=found,
        seasons=seasons,
        band=season.expectation(grid, seasons),
        forecast=ahead,
        reaches=None if limit is None else _reaches(level, limit, ahead),
    )


def _fineness(window: tuple[float, float], horizon: float) -> int:
    """How many steps the window may have, so that the horizon does not have too many."""
    return int(min(MOST_STEPS, max(1.0, (window[1] - window[0]) / horizon * MOST_AHEAD)))


def _reaches(level: tuple[Floats, Floats], limit: float, ahead: Forecast | Unknown) -> Until | Unknown:
    found = threshold.time_until(*level, limit)
    if isinstance(found, Unknown) or isinstance(ahead, Unknown):
        return found
    return threshold.no_later_than(found, ahead)


def as_json(trend: Trend) -> dict[str, Any]:
    """A trend as JSON has it: times in ISO 8601, durations in seconds, and no NaN."""
    band, ahead, found = trend.band, trend.forecast, trend.steps
    return {
        "since": _instant(trend.since),
        "until": _instant(trend.until),
        "points": trend.points,
        "last": {"at": _instant(trend.last_at), "value": trend.last},
        "slope": _part(trend.slope, at=_time_of(trend.slope)),
        "change_to_window_before": _change(trend.before),
        "change_to_past_weeks": _change(trend.weeks),
        "steps": _part(found)
        if isinstance(found, Unknown)
        else [one._asdict() | {"at": _instant(one.at)} for one in found],
        "seasons": list(trend.seasons),
        "expectation": _part(band) if isinstance(band, Unknown) else _newest(band),
        "forecast": _part(ahead) if isinstance(ahead, Unknown) else _path(ahead),
        "threshold": None if trend.reaches is None else _part(trend.reaches),
    }


def _part(part: Any, **more: Any) -> dict[str, Any]:
    if isinstance(part, Unknown):
        return {"unknown": str(part.reason)}
    return (asdict(part) if is_dataclass(part) and not isinstance(part, type) else {}) | more


def _time_of(found: Slope | Unknown) -> str | None:
    return None if isinstance(found, Unknown) else _instant(found.at)


def _change(change: Change | Unknown) -> dict[str, Any]:
    if isinstance(change, Unknown):
        return _part(change)
    return _part(change, absolute=change.absolute, relative=change.relative)


def newest(band: Band) -> int:
    """The position of the last value in a band."""
    return int(np.flatnonzero(np.isfinite(band.values))[-1])


def _newest(band: Band) -> dict[str, Any]:
    at = newest(band)
    return {
        "at": _instant(float(band.times[at])),
        "value": float(band.values[at]),
        "expected": float(band.expected[at]),
        "low": float(band.low[at]),
        "high": float(band.high[at]),
        "coverage": band.coverage,
        "outside": bool(at in band.outside),
        "period": band.period,
    }


def _path(ahead: Forecast) -> dict[str, Any]:
    return {
        "method": ahead.method,
        "origins": ahead.origins,
        "times": [_instant(at) for at in ahead.times.tolist()],
        "values": ahead.values.tolist(),
        "intervals": [
            {"coverage": one.coverage, "low": one.low.tolist(), "high": one.high.tolist()}
            for one in ahead.intervals
        ],
    }


def _instant(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
