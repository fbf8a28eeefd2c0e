"""Who hears of an alert."""

from collections.abc import Mapping
from typing import Final

from watchfleet.model import Severity

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
