"""`watchfleet.alert`: an application raises an alert, which the fleet routes and delivers like any other."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from watchfleet import correlation
from watchfleet.clock import parse_duration
from watchfleet.instrument.faults import faults
from watchfleet.instrument.lifetime import lifetime
from watchfleet.model import Activity, Severity
from watchfleet.redact import redact

LASTS: Final = timedelta(hours=1)
_LONGEST: Final = 1000


def alert(
    name: str,
    *,
    severity: str = "warning",
    labels: Mapping[str, str] | None = None,
    summary: str = "",
    description: str = "",
    lasts: timedelta | float | str = LASTS,
    resolved: bool = False,
) -> bool:
    """Raise an alert, or take it back. It never raises and never waits; it needs `watchfleet.instrument`.

    The alert is told apart from others by its name, its labels and its severity, and carries the correlation
    id of where it was raised. It fires until it is taken back, or was not raised again for `lasts`.

        watchfleet.alert("LoginWall", severity="critical", labels={"platform": "instagram"}, summary="…")
        watchfleet.alert("LoginWall", severity="critical", labels={"platform": "instagram"}, resolved=True)

    Args:
        name: Its name, such as `LoginWall`: a letter or underscore, then letters, digits and underscores.
        severity: `info`, `warning` or `critical`; it decides who is told.
        labels: What else tells it apart. The application's name is added as `service`.
        summary: One line for people.
        description: More for people.
        lasts: How long it fires after it was raised last: a timedelta, seconds, or a text such as `15m`.
        resolved: Whether it is over.

    Returns:
        Whether it is on its way to the fleet; false when it cannot be used, which is logged once.
    """
    client = lifetime.client
    if client is None:
        faults.note("alert", f"{name} is not raised: call watchfleet.instrument first")
        return False
    try:
        fields = {
            "labels": {
                **{key: str(value) for key, value in (labels or {}).items()},
                "alertname": name,
                "severity": Severity(severity).value,
                "service": client.service,
            },
            "summary": redact(summary)[:_LONGEST],
            "description": redact(description)[:_LONGEST],
            "lasts": 0.0 if resolved else _seconds(lasts),
        }
    except (ValueError, TypeError, AttributeError) as error:
        faults.note("alert", f"{name} is not raised", error)
        return False
    client.record(Activity("alert", time.time(), correlation.current() or correlation.new(), name, fields))
    client.hurry()
    return True


def _seconds(lasts: timedelta | float | str) -> float:
    if isinstance(lasts, str):
        lasts = parse_duration(lasts)
    seconds = lasts.total_seconds() if isinstance(lasts, timedelta) else float(lasts)
    if not 0 < seconds <= 366 * 86_400:
        raise ValueError(f"lasts={lasts}: give a time above 0 and within a year")
    return seconds
