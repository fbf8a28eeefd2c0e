"""What a target's history comes to, for people and programs: uptime of usual spans, and every status."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from watchfleet.model import Status
from watchfleet.probes.history import Interval
from watchfleet.probes.uptime import Uptime, uptime

SPANS: Final = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
"""Of which spans up to the present the uptime is told."""
LONGEST: Final = max(SPANS.values())
SLA_SPAN: Final = "30d"
NO_SLA: Final = dict.fromkeys(("promised", "kept", "downtime_left_seconds"))


def uptimes(intervals: Sequence[Interval], now: datetime) -> dict[str, Uptime]:
    """The uptime of each of the usual spans, by its name."""
    return {name: uptime(intervals, now - span, now) for name, span in SPANS.items()}


def facts_of_uptime(found: Uptime) -> dict[str, Any]:
    """An uptime in JSON: the ratio, null if nothing counts, and the seconds by status."""
    seconds = {str(status): round(found.seconds[status], 3) for status in Status}
    return {"ratio": found.ratio, "seconds": seconds}


def facts_of_sla(promised: float | None, uptimes: Mapping[str, Uptime]) -> dict[str, Any] | None:
    """What was promised of a target and what is left of it, in JSON; null if nothing was promised.

    Args:
        promised: In percent.
        uptimes: By span.
    """
    if promised is None:
        return None
    left = uptimes[SLA_SPAN].allowance(promised)
    return {"promised": promised, "kept": left >= 0, "downtime_left_seconds": round(left, 3)}


def shown_sla(promised: float, uptimes: Mapping[str, Uptime]) -> str:
    """The same for people."""
    left = timedelta(seconds=uptimes[SLA_SPAN].allowance(promised))
    state = "kept" if left >= timedelta(0) else "broken"
    rest = f"{shown_length(abs(left))} of downtime {'left' if state == 'kept' else 'too much'}"
    return f"{promised:g} % of {SLA_SPAN} promised: {state}, {rest}"


def facts_of_interval(one: Interval) -> dict[str, Any]:
    """A status in JSON."""
    return {
        "status": one.status,
        "started_at": one.start.isoformat(),
        "ended_at": None if one.is_open else one.end.isoformat(),
        "seconds": round((one.end - one.start).total_seconds(), 3),
        "reason": one.reason,
        "detail": one.detail,
        "answer": one.answer,
    }


def shown_ratio(found: Uptime) -> str:
    """An uptime for people: rounded down, so that only what never failed is 100 %."""
    if found.ratio is None:
        return "unknown"
    return f"{int(found.ratio * 100_000) / 1000:g} %"


def shown_length(length: timedelta) -> str:
    """How long something lasted, in its two largest units."""
    seconds = max(0, round(length.total_seconds()))
    parts = [
        (seconds // 86_400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    ]
    large = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(large[:2]) or "0 s"
