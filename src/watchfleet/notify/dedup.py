"""Whether a group has anything new to tell a receiver: Alertmanager's `notify.DedupStage.needsUpdate`."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Reason(StrEnum):
    """Why a group is told of now, or not."""

    FIRST = "first_notification"
    NEW_FIRING = "new_firing_alerts"
    ALL_RESOLVED = "all_alerts_resolved"
    NEW_RESOLVED = "new_resolved_alerts"
    REPEAT = "repeat_interval_elapsed"
    NEVER_FIRED = "resolved_before_it_was_told"
    NOTHING_NEW = "nothing_new"
    ACKNOWLEDGED = "acknowledged"

    @property
    def sends(self) -> bool:
        """Whether the group is told of."""
        return self not in {Reason.NEVER_FIRED, Reason.NOTHING_NEW, Reason.ACKNOWLEDGED}


@dataclass(frozen=True, slots=True)
class Told:
    """What a receiver was told of a group last.

    Attributes:
        firing: Fingerprints of the alerts that fired.
        resolved: Fingerprints of those that were over.
        at: When.
    """

    firing: AbstractSet[str]
    resolved: AbstractSet[str]
    at: datetime


def decide(
    told: Told | None,
    firing: AbstractSet[str],
    resolved: AbstractSet[str],
    repeat: timedelta,
    now: datetime,
    *,
    send_resolved: bool = True,
    acknowledged: bool = False,
) -> Reason:
    """Whether to tell a receiver of a group, and why.

    Args:
        told: What it was told last; None if nothing yet.
        firing: Fingerprints of the group's alerts that fire.
        resolved: Fingerprints of those that are over.
        repeat: When what still fires is told again.
        now: The present.
        send_resolved: Whether the receiver hears of ends. That all are over is a reason without it, too: it
            has to be written down, or the next firing would not be news.
        acknowledged: Whether somebody has acknowledged every alert that fires: then nothing is repeated.
    """
    if told is None:
        return Reason.FIRST if firing else Reason.NEVER_FIRED
    if not firing <= told.firing:
        return Reason.NEW_FIRING
    if not firing:
        return Reason.ALL_RESOLVED if told.firing else Reason.NEVER_FIRED
    if send_resolved and not resolved <= told.resolved:
        return Reason.NEW_RESOLVED
    if told.at < now - repeat:
        return Reason.ACKNOWLEDGED if acknowledged else Reason.REPEAT
    return Reason.NOTHING_NEW
