"""Rows of the outbox for tests, each with the alert and the event that it belongs to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert
from support.messages import AT

from watchfleet.db.engine import transaction
from watchfleet.db.tables import alert, alert_event, outbox
from watchfleet.model import Destination, Message
from watchfleet.notify.identity import transition
from watchfleet.notify.outbox import enqueue


def add(message: Message, channels: Sequence[str] = ("webhook",), now: datetime = AT) -> None:
    """Enqueue a notification in a transaction of its own."""
    with transaction() as connection:
        enqueue_message(connection, message, channels, now)


def enqueue_message(connection: Connection, message: Message, channels: Sequence[str], now: datetime) -> None:
    (told,) = message.alerts
    enqueue(
        connection,
        message,
        [Destination(channel) for channel in channels],
        now,
        occasion=transition(told.fingerprint, told.status, told.ends_at or told.starts_at),
        event_id=add_event(connection, message),
    )


def add_event(connection: Connection, message: Message) -> int:
    (told,) = message.alerts
    state, at = told.status, told.ends_at or told.starts_at
    values = {
        "rule": message.name,
        "fingerprint": told.fingerprint,
        "severity": message.severity,
        "labels": {},
        "annotations": {},
        "state": state,
        "active_at": told.starts_at,
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
