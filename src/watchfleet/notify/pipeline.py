"""What becomes of alerts: from rules and from outside to rows of the outbox.

An alert that fires joins the groups that the routing tree takes it to. A group is looked at after its
`group_wait` and then every `group_interval`, by the dispatcher; one that need not wait is looked at in the
transaction of the news, so that state and notifications are one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from watchfleet.notify import acknowledgements, alerts, groups, silences
from watchfleet.notify.flush import Flushed, flush
from watchfleet.notify.incoming import Alert
from watchfleet.notify.policy import Policy

LONGEST_SLEEP: Final = timedelta(seconds=30)
"""The dispatcher looks at least that often, whatever it hears: a message may be lost, a clock may be set."""
BELL: Final = "watchfleet_dispatch"
"""PostgreSQL's channel on which the dispatcher hears that something is due earlier than it knows."""


def submit(
    connection: Connection, policy: Policy, given: Sequence[Alert], now: datetime, *, wakes: bool = True
) -> tuple[str, ...]:
    """Take in news of alerts, in the caller's transaction.

    Args:
        connection: In a transaction.
        policy: Who is told of what.
        given: The alerts, as they are now.
        now: The present.
        wakes: Whether the caller wakes the channels; else the dispatcher does.

    Returns:
        The channels that have something to send once the transaction has committed.
    """
    news = alerts.put(connection, given, now)
    turned = [each.alert.fingerprint for each in news if each.turned]
    acknowledgements.end(connection, turned, acknowledgements.CHANGED, now)
    over = [each.alert.fingerprint for each in news if each.alert.is_over(now)]
    due, later = groups.place(
        connection, policy, [one.alert for one in news if not one.alert.is_over(now)], now
    )
    ended = groups.changed_at_once(connection, policy, over) if over else []
    known = {group.id for group in due}
    flushed = flush(
        connection, policy, [*due, *(one for one in ended if one.id not in known)], now, published=wakes
    )
    looks = [each for each in (later, flushed.next_at) if each is not None]
    if any(each < now + LONGEST_SLEEP for each in looks) or (flushed.wake and not wakes):
        ring(connection)
    return flushed.wake


def tick(connection: Connection, policy: Policy, now: datetime) -> Flushed:
    """Look at the groups that are due, as many as are claimed at once, in the caller's transaction."""
    return flush(connection, policy, groups.claim_due(connection, now), now)


def reroute(connection: Connection, policy: Policy, now: datetime) -> Flushed:
    """Put every alert that fires where the policy in force takes it: what a new configuration needs."""
    due, _ = groups.place(connection, policy, alerts.firing(connection, now), now)
    return flush(connection, policy, due, now)


def ring(connection: Connection) -> None:
    """Have the dispatcher look at once when the transaction has committed."""
    connection.execute(select(func.pg_notify(BELL, "")))


def forget(connection: Connection, now: datetime) -> None:
    """Delete what nobody asks for any more: alerts and silences that are long over, and empty groups."""
    alerts.forget(connection, now)
    silences.forget(connection, now)
    groups.forget(connection, now)
