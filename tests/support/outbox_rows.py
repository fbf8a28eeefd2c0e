"""Rows of the outbox for tests, each with the alert and the event that it belongs to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert
from support.messages import AT

from watchfleet.db.engine import transaction
from watchfleet.db.tables import alert, alert_event, outbox
from watchfleet.model import Message
from watchfleet.notify.outbox import enqueue


def add(message: Message, channels: Sequence[str] = ("webhook",), now: datetime = AT) -> None:
    """Enqueue a notification in a transaction of its own."""
    with transaction() as connection:
        enqueue(connection, add_event(connection, message), message, channels, now)


def add_event(connection: Connection, message: Message) -> int:
    state, at = message.status, message.ends_at or message.starts_at
    values = {
        "rule": message.alert,
        "fingerprint": message.fingerprint,
        "severity": message.severity,
        "labels": {},
        "annotations": {},
        "state": state,
        "active_at": message.starts_at,
        "evaluated_at": at,
    }
    upsert = (
        insert(alert)
        .values(values)
        .on_conflict_do_update(index_elements=["rule", "fingerprint"], set_={"state": state})
    )
    alert_id = connection.scalar(upsert.returning(alert.c.id))
    event = {"alert_id": alert_id, "at": at, "from_state": "pending", "to_state": state, "reason": "test"}
    return int(connection.execute(insert(alert_event).values(event).returning(alert_event.c.id)).scalar_one())


def rows() -> list[Any]:
    """Every row, oldest first."""
    with transaction() as connection:
        return list(connection.execute(select(outbox).order_by(outbox.c.id)))


def states() -> list[str]:
    return [row.state for row in rows()]
