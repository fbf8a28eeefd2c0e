"""Deliver what is due for one channel: claim, commit, send, record."""

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import random
from threading import Lock
from typing import Final

from watchfleet.clock import utcnow
from watchfleet.db.engine import in_transaction, transaction
from watchfleet.errors import DeliveryError
from watchfleet.model import Destination
from watchfleet.notify import outbox, retry
from watchfleet.notify.channel import Sender
from watchfleet.redact import redact

logger = logging.getLogger(__name__)

Senders = Callable[[Destination], Sender]
"""Gives what sends to a destination."""
RECORD_PATIENCE: Final = 10.0
"""Seconds that an outcome waits for PostgreSQL: what was sent must not be sent again after its restart."""
LIMIT: Final = 500
LONGEST: Final = timedelta(seconds=120)
"""A drain ends after this time and is woken again, so that its message is acknowledged long before a broker
takes its worker for dead."""


@dataclass(slots=True)
class Drained:
    """What one drain did.

    Attributes:
        sent: Notifications that their receivers took.
        retried: Those that will be tried again.
        dead: Those that were given up.
        more: Whether it stopped at its limit, so that more may be due.
    """

    sent: int = 0
    retried: int = 0
    dead: int = 0
    more: bool = False

    def count(self, outcome: retry.Outcome | None) -> None:
        """Count one outcome; None says that nothing is left to do."""
        if outcome is None:
            self.more = False
            return
        self.sent += outcome.state == "sent"
        self.retried += outcome.state == "retry"
        self.dead += outcome.state == "dead"


@dataclass(slots=True)
class Lane:
    """Lets only so many threads of this process drain a channel: a slow receiver leaves the others theirs.

    Attributes:
        width: How many may drain at a time.
    """

    width: int = 2
    _inside: int = 0
    _missed: bool = False
    _lock: Lock = field(default_factory=Lock)

    def enter(self) -> bool:
        """Take a place, or remember that somebody could not."""
        with self._lock:
            if self._inside >= self.width:
                self._missed = True
                return False
            self._inside += 1
            return True

    def leave(self) -> bool:
        """Give the place back; True when somebody was turned away meanwhile, whose work may remain."""
        with self._lock:
            missed, self._missed = self._missed, False
            self._inside -= 1
            return missed


_lanes: Final[defaultdict[str, Lane]] = defaultdict(Lane)


def drain(
    channel: str, senders: Senders, clock: Callable[[], datetime] = utcnow, limit: int = LIMIT
) -> Drained:
    """Send what is due for a channel, one notification after the other, until nothing is.

    A claim is committed before anything goes over the network, its outcome afterwards in a transaction of
    its own. Several drains may run: each row is claimed by one.

    Args:
        channel: The channel's name.
        senders: Gives what sends to a destination.
        clock: Tells the time.
        limit: How many notifications at most.

    Returns:
        What was done: nothing when enough threads of this process are at it already; with `more` when the
        channel should be woken again.
    """
    lane, until = _lanes[channel], clock() + LONGEST
    if not lane.enter():
        return Drained()
    drained = Drained(more=True)
    try:
        for _ in range(limit):
            outcome = deliver_one(channel, senders, clock)
            drained.count(outcome)
            if outcome is None or clock() > until:
                break
    finally:
        drained.more |= lane.leave()
    return drained


def deliver_one(
    channel: str, senders: Senders, clock: Callable[[], datetime] = utcnow
) -> retry.Outcome | None:
    """Send the channel's longest due notification and record what it came to; None when nothing is due."""
    with transaction() as connection:
        claimed = outbox.claim(connection, channel, clock())
    if claimed is None:
        return None
    outcome = attempt(senders, claimed, clock)
    record = partial(outbox.record, claimed=claimed, outcome=outcome, now=clock())
    _tell(claimed.delivery_id, outcome, ours=in_transaction(record, RECORD_PATIENCE))
    return outcome


def attempt(senders: Senders, claimed: outbox.Claim, clock: Callable[[], datetime] = utcnow) -> retry.Outcome:
    """Send one notification; every failure, a channel's bug included, becomes an outcome."""
    try:
        return retry.delivered(senders(claimed.destination).send(claimed.message))
    except DeliveryError as error:
        failure = error
    except Exception as error:
        logger.exception("the channel of notification %s failed in itself", claimed.delivery_id)
        failure = DeliveryError("channel_failed", permanent=False, detail=f"{type(error).__name__}: {error}")
    return retry.failed(failure, claimed.attempts, clock(), random)


def _tell(delivery_id: str, outcome: retry.Outcome, *, ours: bool) -> None:
    level = {"sent": logging.INFO, "retry": logging.WARNING, "dead": logging.ERROR}[outcome.state]
    note = "" if ours else " (another worker has taken it meanwhile)"
    logger.log(
        level,
        "notification %s: %s, %s%s%s",
        delivery_id,
        outcome.state,
        outcome.reason,
        f": {redact(outcome.detail)}" if outcome.detail else "",
        note,
    )
