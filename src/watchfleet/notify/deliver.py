"""Deliver what is due for one channel: claim, commit, send, record."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from random import random
from threading import Lock
from time import monotonic
from typing import Final

from sqlalchemy import Connection

from watchfleet import correlation
from watchfleet.db.engine import in_transaction, server_clock, transaction
from watchfleet.errors import DeliveryError
from watchfleet.model import Destination
from watchfleet.notify import digest, outbox, retry
from watchfleet.notify.channel import Sender
from watchfleet.notify.gates import Key, key_of
from watchfleet.notify.outbox import Claim
from watchfleet.notify.outcomes import Recorded, record
from watchfleet.notify.receivers import Receivers
from watchfleet.redact import redact

logger = logging.getLogger(__name__)

Senders = Callable[[Destination], Sender]
"""Gives what sends to a destination."""
Clock = Callable[[Connection], datetime]
"""Tells the time that all who share the store agree on."""
RECORD_PATIENCE: Final = 10.0
"""Seconds that outcomes wait for PostgreSQL: what was sent must not be sent again after its restart."""
RECORD_EVERY: Final = 0.05
"""Seconds of sending after which outcomes are written: what a worker that dies sends again, at most."""
SENDING: Final = (outbox.LEASE - outbox.DEADLINE).total_seconds()
"""Seconds after a claim in which its rows may be begun, so that each ends before its lease."""
LIMIT: Final = 2000
LONGEST: Final = 120.0
"""Seconds: a drain ends after them and is woken again, so that its message is acknowledged long before a
broker takes its worker for dead."""


@dataclass(slots=True)
class Drained:
    """What one drain did.

    Attributes:
        sent: Notifications that their receivers took.
        retried: Those that will be tried again.
        dead: Those that were given up.
        wake: Other channels that have something to send now.
        more: Whether it stopped at its limit, so that more may be due.
    """

    sent: int = 0
    retried: int = 0
    dead: int = 0
    wake: tuple[str, ...] = ()
    more: bool = False

    def count(self, outcome: retry.Outcome) -> None:
        """Count one outcome."""
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


@dataclass(frozen=True, slots=True)
class Means:
    """What deliveries are made with.

    Attributes:
        senders: Gives what sends to a destination.
        receivers: Everyone who may be told.
        clock: Tells the time; by default that of the store, so that no worker's own clock matters.
    """

    senders: Senders
    receivers: Receivers
    clock: Clock = server_clock


def drain(channel: str, means: Means, limit: int = LIMIT) -> Drained:
    """Send what is due for a channel, a batch after the other, until nothing is.

    Claims are committed before anything goes over the network, outcomes afterwards in transactions of their
    own. Several drains may run: each row is claimed by one.

    Args:
        channel: The channel's name.
        means: What deliveries are made with.
        limit: How many notifications at most.

    Returns:
        What was done: nothing when enough threads of this process are at it already; with `more` when the
        channel should be woken again.
    """
    lane = _lanes[channel]
    if not lane.enter():
        return Drained()
    drained, left, until = Drained(more=True), limit, monotonic() + LONGEST
    try:
        while left > 0 and monotonic() < until and drained.more:
            left -= _one_batch(channel, means, min(left, outbox.BATCH), drained)
    finally:
        drained.more |= lane.leave()
    return drained


def _one_batch(channel: str, means: Means, limit: int, drained: Drained) -> int:
    """Send one batch; returns how many rows were claimed."""
    batch = Batch(means, until=monotonic() + SENDING)
    with transaction() as connection:
        now = means.clock(connection)
        digest.fold(connection, channel, means.receivers, now)
        claimed = outbox.claim(connection, channel, means.receivers, now, limit)
    for outcome in batch.send(claimed.claims):
        drained.count(outcome)
    drained.more = not claimed.exhausted
    drained.wake = tuple(dict.fromkeys((*drained.wake, *batch.wake)))
    return len(claimed.claims)


@dataclass(slots=True)
class Batch:
    """Rows that were claimed together.

    Attributes:
        means: What they are sent with.
        until: By the monotonic clock, when no further row may be begun.
        wake: Channels that have something to send since.
    """

    means: Means
    until: float
    wake: tuple[str, ...] = ()
    _closed: frozenset[Key] = frozenset()
    _made: dict[Destination, Sender] = field(default_factory=dict)
    _tried: list[tuple[Claim, retry.Outcome]] = field(default_factory=list)
    _recorded_at: float = field(default_factory=monotonic)

    def send(self, claims: Sequence[Claim]) -> Iterator[retry.Outcome]:
        """Send what may still be sent, and put the rest back.

        The first failure is written at once, so that a destination whose breaker opens is left alone.
        """
        spared = []
        for claimed in claims:
            if monotonic() > self.until or key_of(claimed.destination) in self._closed:
                spared.append(claimed)
                continue
            with _correlated(claimed):
                outcome = attempt(self._sender, claimed)
            self._tried.append((claimed, outcome))
            if outcome.state != "sent" or monotonic() - self._recorded_at > RECORD_EVERY:
                self._record()
            yield outcome
        self._record()
        if spared:
            in_transaction(partial(outbox.release, claims=spared), RECORD_PATIENCE)

    def _sender(self, destination: Destination) -> Sender:
        """What sends to a destination; made once a batch, so that a secret that is changed is soon known."""
        if destination not in self._made:
            self._made[destination] = self.means.senders(destination)
        return self._made[destination]

    def _record(self) -> None:
        tried, self._tried = self._tried, []
        if tried:
            found = in_transaction(partial(self._write, tried), RECORD_PATIENCE)
            self._closed |= found.closed
            self.wake += found.wake
            for claimed, outcome in tried:
                with _correlated(claimed):
                    _tell(claimed.delivery_id, outcome, ours=claimed.id in found.ours)
        self._recorded_at = monotonic()

    def _write(self, tried: Sequence[tuple[Claim, retry.Outcome]], connection: Connection) -> Recorded:
        return record(connection, tried, self.means.receivers, self.means.clock(connection))


def attempt(senders: Senders, claimed: Claim) -> retry.Outcome:
    """Send one notification; every failure, a channel's bug included, becomes an outcome."""
    try:
        return retry.delivered(senders(claimed.destination).send(claimed.message))
    except DeliveryError as error:
        failure = error
    except Exception as error:
        logger.exception("the channel of notification %s failed in itself", claimed.delivery_id)
        failure = DeliveryError("channel_failed", permanent=False, detail=f"{type(error).__name__}: {error}")
    return retry.failed(failure, claimed.attempts, random)


def _correlated(claimed: Claim) -> AbstractContextManager[object]:
    """Run a block under the id that all alerts of a notification were raised under, if there is one."""
    found = correlation.accepted(claimed.correlation_id)
    return correlation.bound(found) if found else nullcontext()


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
