"""Alerts and their events in the store."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from watchfleet.db.tables import alert, alert_event
from watchfleet.model import AlertState
from watchfleet.notify.routing import severity
from watchfleet.rules.plan import Alert, Change, Identity, identity
from watchfleet.rules.state import Standing

_ACTIVE: Final = (AlertState.PENDING, AlertState.FIRING)


def load(connection: Connection, rule: str, fingerprints: Collection[str]) -> dict[Identity, Alert]:
    """The rule's pending and firing alerts, and what is known of those of `fingerprints`."""
    rows = connection.execute(
        select(alert).where(
            alert.c.rule == rule,
            or_(alert.c.state.in_(_ACTIVE), alert.c.fingerprint.in_(fingerprints)),
        )
    )
    return {identity(row.labels): _alert(row) for row in rows}


def save(connection: Connection, rule: str, change: Change) -> int:
    """Write where an alert stands; returns its id."""
    now, standing = change.alert, change.alert.standing
    values: dict[str, Any] = {
        "severity": severity(now.labels),
        "labels": dict(now.labels),
        "annotations": dict(now.annotations),
        "state": standing.state,
        "active_at": standing.active_at,
        "fired_at": standing.fired_at,
        "resolved_at": standing.resolved_at,
        "keep_firing_since": standing.keep_firing_since,
        "evaluated_at": now.evaluated_at,
        "value": now.value,
    }
    statement = insert(alert).values(rule=rule, fingerprint=change.fingerprint, **values)
    upsert = statement.on_conflict_do_update(index_elements=["rule", "fingerprint"], set_=values)
    return int(connection.execute(upsert.returning(alert.c.id)).scalar_one())


def add_event(connection: Connection, alert_id: int, change: Change) -> int:
    """Write down that an alert changed its state; returns the event's id."""
    statement = insert(alert_event).values(
        alert_id=alert_id,
        at=change.at,
        from_state=change.before,
        to_state=change.after,
        reason=change.reason,
        value=change.alert.value,
    )
    return int(connection.execute(statement.returning(alert_event.c.id)).scalar_one())


def mark_evaluated(connection: Connection, rule: str, now: datetime) -> None:
    """Note that the rule's active alerts were looked at."""
    connection.execute(
        update(alert)
        .where(alert.c.rule == rule, alert.c.state.in_(_ACTIVE), alert.c.evaluated_at < now)
        .values(evaluated_at=now)
    )


def _alert(row: "Row[Any]") -> Alert:
    standing = Standing(
        AlertState(row.state), row.active_at, row.fired_at, row.resolved_at, row.keep_firing_since
    )
    return Alert(row.labels, row.annotations, standing, row.value, row.evaluated_at)
