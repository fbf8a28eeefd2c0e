"""The sweeper: what lost workers hold and lost messages forgot, and what has waited for too long."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, case, func, or_, select, update

from watchfleet.db.tables import outbox
from watchfleet.notify import gates
from watchfleet.notify.outbox import is_next, tell_fallbacks, waiting
from watchfleet.notify.receivers import Receivers
from watchfleet.notify.retry import LONGEST_WAIT, MAX_ATTEMPTS

REPEAT: Final = timedelta(seconds=3)
"""How long a due row waits for the wake-up that was sent before another is."""
LONGEST_REPEAT: Final = timedelta(seconds=60)
LIMIT: Final = 1000


def sweep(connection: Connection, receivers: Receivers, now: datetime) -> tuple[str, ...]:
    """Free what lost workers hold, and return the channels that must be woken again.

    A channel is woken when one of its rows becomes ready, and again when `REPEAT` has passed since, and from
    then on each time that the wait has doubled, up to `LONGEST_REPEAT`. Two sweepers may run.
    """
    dead = [*_end_leases(connection, now), *_give_up(connection, now)]
    told = tell_fallbacks(connection, dead, receivers, now)
    return tuple(sorted({*told, *_forgotten(connection, now)}))


def _forgotten(connection: Connection, now: datetime) -> Sequence[str]:
    published = outbox.c.published_at
    ready = func.greatest(outbox.c.due_at, gates.opens_at())
    patience = func.least(func.greatest(published - ready, REPEAT), LONGEST_REPEAT)
    forgotten = (
        select(outbox.c.id)
        .where(
            is_next(),
            ready <= now,
            or_(published.is_(None), published < ready, published + patience <= now),
        )
        .order_by(outbox.c.id)
        .limit(LIMIT)
        .with_for_update(skip_locked=True, of=outbox)
    )
    rows = connection.execute(
        update(outbox).where(outbox.c.id.in_(forgotten)).values(published_at=now).returning(outbox.c.channel)
    )
    return rows.scalars().all()


def _end_leases(connection: Connection, now: datetime) -> list[int]:
    """Free the rows of lost workers; returns those that end as dead."""
    exhausted = outbox.c.attempts >= MAX_ATTEMPTS
    lost = (
        select(outbox.c.id)
        .where(outbox.c.state == "sending", outbox.c.leased_until < now)
        .order_by(outbox.c.id)
        .limit(LIMIT)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(lost))
        .values(
            state=case((exhausted, "dead"), else_="retry"),
            reason="lease_ended",
            finished_at=case((exhausted, now)),
            due_at=now,
            published_at=None,
            last_error="the worker that was sending it did not report back",
        )
        .returning(outbox.c.id, outbox.c.state)
    )
    return [row.id for row in rows if row.state == "dead"]


def _give_up(connection: Connection, now: datetime) -> list[int]:
    """End as dead what has waited too long for a destination that fails as long; returns the rows."""
    long_ago = now - LONGEST_WAIT
    stuck = (
        select(outbox.c.id)
        .where(waiting(), outbox.c.created_at <= long_ago, gates.failing_since() <= long_ago)
        .order_by(outbox.c.id)
        .limit(LIMIT)
        .with_for_update(skip_locked=True, of=outbox)
    )
    rows = connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(stuck))
        .values(
            state="dead",
            reason="destination_failing",
            finished_at=now,
            last_error=func.concat("its destination has failed for two hours; ", outbox.c.last_error),
        )
        .returning(outbox.c.id)
    )
    return list(rows.scalars())
