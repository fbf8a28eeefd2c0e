"""What the store knows of one correlation id, in order of time."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, Text, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from watchfleet.db.tables import activity, alert, alert_event, outbox

MOST: Final = 1000


class Entry(NamedTuple):
    """One thing that happened.

    Attributes:
        at: When it ended, or was said.
        kind: `request`, `task`, `query`, `alert`, `notification` or `log`.
        source: The application, or the file, that tells it.
        what: Its name, or the message.
        duration: Seconds that it took, if that is known.
        fields: What else is known.
    """

    at: datetime
    kind: str
    source: str
    what: str
    duration: float | None
    fields: dict[str, Any]


def timeline(connection: Connection, correlation_id: str, most: int = MOST) -> list[Entry]:
    """The first `most` things that were done, raised or told under an id.

    An alert's identity outlives its cause, so what is shown of it is what has happened since it carries this
    id.
    """
    found = [
        Entry(*row)
        for query in (_done(correlation_id), _alerts(correlation_id), _notifications(correlation_id))
        for row in connection.execute(query.limit(most))
    ]
    return sorted(found, key=lambda entry: entry.at)[:most]


def _done(correlation_id: str) -> Select[Any]:
    table = activity.c
    return (
        select(table.ts, table.kind, table.service, table.name, table.duration, table.fields)
        .where(table.correlation_id == correlation_id)
        .order_by(table.ts)
    )


def _alerts(correlation_id: str) -> Select[Any]:
    fields = func.jsonb_build_object(
        "state", alert_event.c.to_state, "labels", alert.c.labels, "annotations", alert.c.annotations
    )
    return (
        select(
            alert_event.c.at,
            literal("alert"),
            func.coalesce(alert.c.labels["service"].astext, ""),
            alert.c.labels["alertname"].astext,
            literal(None),
            fields,
        )
        .join(alert, alert.c.id == alert_event.c.alert_id)
        .where(alert.c.annotations["correlation_id"].astext == correlation_id)
        .order_by(alert_event.c.at)
    )


def _notifications(correlation_id: str) -> Select[Any]:
    own = select(alert.c.fingerprint).where(alert.c.annotations["correlation_id"].astext == correlation_id)
    fields = func.jsonb_build_object(
        "state", outbox.c.state, "attempts", outbox.c.attempts, "error", outbox.c.last_error
    )
    return (
        select(
            func.coalesce(outbox.c.finished_at, outbox.c.created_at),
            literal("notification"),
            outbox.c.receiver,
            outbox.c.channel,
            literal(None),
            fields,
        )
        .where(outbox.c.fingerprints.overlap(func.array(own.scalar_subquery(), type_=ARRAY(Text))))
        .order_by(outbox.c.id)
    )
