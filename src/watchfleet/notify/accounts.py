"""The accounts of the outbox: every notification that was ever written is in one state, or was pruned.

How many were created is counted in the transaction that writes them, apart from the rows, so that a row that
vanished shows.
"""

import logging
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, delete, func, select, union_all

from watchfleet.db.tables import counter, counter_delta, outbox, outbox_uncounted
from watchfleet.metrics.counters import Tally
from watchfleet.notify import gates
from watchfleet.notify.outbox import CREATED, OPEN, PRUNED, STATES, is_next

logger = logging.getLogger(__name__)

PRUNED_AT_ONCE: Final = 10_000


def accounting(connection: Connection) -> dict[str, int]:
    """How many notifications were created and not pruned, and in which state they are.

    Returns:
        `created`, `open`, each state of `STATES` by name, and `unaccounted`: by how much `created` is not
        sent + dead + grouped + suppressed + open. Anything but 0 says that rows were lost or made up.
    """
    columns = [func.count().filter(outbox.c.state == state).label(state) for state in STATES]
    opened = func.count().filter(outbox.c.state.in_(OPEN)).label("open")
    # One statement, so that all of it is of one moment.
    row = connection.execute(select(_created().label("created"), opened, *columns).select_from(outbox))
    counts = {name: int(count) for name, count in row.mappings().one().items()}
    return {**counts, "unaccounted": counts["created"] - sum(counts[state] for state in STATES)}


def check(connection: Connection) -> dict[str, int]:
    """`accounting`, and an error in the log when something is unaccounted for."""
    counts = accounting(connection)
    if counts["unaccounted"]:
        logger.error("the outbox does not balance: %s", counts)
    return counts


def oldest_due(connection: Connection, now: datetime) -> float:
    """Seconds for which the row has been due that waits the longest and could go out; 0 if there is none."""
    opens = func.coalesce(gates.opens_at(), outbox.c.due_at)
    ready = func.greatest(outbox.c.due_at, opens)
    oldest = connection.scalar(select(func.min(ready)).where(is_next(), ready <= now))
    return max(0.0, (now - oldest).total_seconds()) if oldest else 0.0


def prune(connection: Connection, before: datetime) -> int:
    """Delete notifications that were finished before that time, so many at most; returns how many."""
    old = select(outbox.c.id).where(outbox.c.finished_at < before).order_by(outbox.c.id).limit(PRUNED_AT_ONCE)
    gone = connection.execute(delete(outbox).where(outbox.c.id.in_(old)).returning(outbox.c.channel))
    tally = Tally()
    for channel in gone.scalars():
        tally.add(PRUNED, labels={"channel": channel})
    tally.save(connection)
    return gone.rowcount


def _created() -> ColumnElement[Any]:
    parts = union_all(*(select(table.c.name, table.c.value) for table in (counter, counter_delta))).subquery()
    signed = case((parts.c.name == CREATED, parts.c.value), (parts.c.name == PRUNED, -parts.c.value))
    counted = select(func.coalesce(func.sum(signed), 0)).select_from(parts).scalar_subquery()
    before = select(func.coalesce(func.sum(outbox_uncounted.c.rows), 0)).scalar_subquery()
    return counted + before
