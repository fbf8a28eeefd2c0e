"""Flap damping: an alert that comes and goes is not told of until it is quiet."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from watchfleet.notify.configuration import FlapDamping

KEPT: Final = 50
"""Changes of an alert that are remembered."""


def flaps_until(damping: FlapDamping | None, changes: Sequence[datetime], now: datetime) -> datetime | None:
    """When an alert will have been quiet for long enough; None when it does not flap.

    It begins to flap with the change that makes them `changes` within the time `within`, and goes on as
    long as no two of its changes are further apart than `quiet`.

    Args:
        damping: The rule; None for none.
        changes: When the alert began or ceased to fire, the newest first.
        now: The present.
    """
    if damping is None or not changes:
        return None
    quiet_at = changes[0] + damping.quiet
    if quiet_at <= now:
        return None
    run = _since_quiet(changes, damping)
    windows = zip(run, run[damping.changes - 1 :], strict=False)
    return quiet_at if any(last - first <= damping.within for last, first in windows) else None


def _since_quiet(changes: Sequence[datetime], damping: FlapDamping) -> Sequence[datetime]:
    """The changes since the alert was quiet last."""
    for index, (later, earlier) in enumerate(pairwise(changes), 1):
        if later - earlier >= damping.quiet:
            return changes[:index]
    return changes
