"""Who hears of an alert."""

from collections.abc import Mapping, Sequence
from typing import Final

from watchfleet.model import Destination, Severity

BY_SEVERITY: Final = {
    Severity.INFO: frozenset({"log"}),
    Severity.WARNING: frozenset({"log", "slack"}),
    Severity.CRITICAL: None,
}
"""The channels of each severity; None is every channel."""


def severity(labels: Mapping[str, str]) -> Severity:
    """What the label `severity` says; a warning if it says nothing or something that we do not know."""
    try:
        return Severity(labels.get("severity", "").lower())
    except ValueError:
        return Severity.WARNING


def route(of: Severity, destinations: Sequence[Destination]) -> tuple[Destination, ...]:
    """Those of the destinations that hear of an alert of this severity, in their order."""
    wanted = BY_SEVERITY[of]
    return tuple(each for each in destinations if wanted is None or each.channel in wanted)
