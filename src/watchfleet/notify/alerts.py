"""Every alert that notifications know of, in the store."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, exists, or_, select, text

from watchfleet.db.tables import notify_alert, notify_member
from watchfleet.notify.incoming import Alert, merged, newest
from watchfleet.notify.text import storable

KEPT: Final = timedelta(days=1)
"""How long an alert that is over is known: whether it flaps depends on its past."""
LABEL_CAP: Final = 2_000
ANNOTATION_CAP: Final = 16_000

_WRITE: Final = text(
    """
    INSERT INTO notify_alert (
        fingerprint, labels, annotations, starts_at, ends_at, updated_at, expires, generator_url, channels,
        dedup_window, changes
    )
    SELECT fingerprint, labels, annotations, starts_at, ends_at, updated_at, expires, generator_url,
           channels, dedup_window, changes
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
        fingerprint text, labels jsonb, annotations jsonb, starts_at timestamptz, ends_at timestamptz,
        updated_at timestamptz, expires boolean, generator_url text, channels text[],
        dedup_window interval, changes timestamptz[]
    )
    ORDER BY fingerprint
    ON CONFLICT (fingerprint) DO UPDATE SET
        annotations = EXCLUDED.annotations, starts_at = EXCLUDED.starts_at, ends_at = EXCLUDED.ends_at,
        updated_at = EXCLUDED.updated_at, expires = EXCLUDED.expires,
        generator_url = EXCLUDED.generator_url, channels = EXCLUDED.channels,
        dedup_window = EXCLUDED.dedup_window, changes = EXCLUDED.changes
    """
)


@dataclass(frozen=True, slots=True)
class News:
    """What is known of an alert after news of it.

    Attributes:
        alert: The alert.
        turned: Whether it was known, and has begun or ceased to fire.
    """

    alert: Alert
    turned: bool


def put(connection: Connection, alerts: Iterable[Alert], now: datetime) -> list[News]:
    """Take in news of alerts; the last that is said of an alert counts."""
    given = newest(alerts)
    if not given:
        return []
    rows = connection.execute(
        select(notify_alert)
        .where(notify_alert.c.fingerprint.in_(given))
        .order_by(notify_alert.c.fingerprint)
        .with_for_update()
    )
    old = {row.fingerprint: known(row) for row in rows}
    found = [merged(old.get(name), alert, now) for name, alert in given.items()]
    connection.execute(_WRITE, {"rows": json.dumps([_row(alert) for alert in found])})
    return [News(alert, _turned(old.get(alert.fingerprint), alert)) for alert in found]


def firing(connection: Connection, now: datetime) -> list[Alert]:
    """Every alert that fires, in the order in which they began."""
    statement = (
        select(notify_alert)
        .where(or_(notify_alert.c.ends_at.is_(None), notify_alert.c.ends_at > now))
        .order_by(notify_alert.c.starts_at, notify_alert.c.fingerprint)
    )
    return [known(row) for row in connection.execute(statement)]


def get(connection: Connection, fingerprint: str) -> Alert | None:
    """One alert; None if nothing is known of it."""
    statement = select(notify_alert).where(notify_alert.c.fingerprint == fingerprint)
    row = connection.execute(statement).one_or_none()
    return known(row) if row else None


def forget(connection: Connection, now: datetime) -> None:
    """Delete those that have been over for `KEPT` and that no group waits with."""
    member = exists().where(notify_member.c.fingerprint == notify_alert.c.fingerprint)
    connection.execute(delete(notify_alert).where(notify_alert.c.ends_at < now - KEPT, ~member))


def known(row: "Row[Any]") -> Alert:
    """The alert of a row."""
    return Alert(
        fingerprint=row.fingerprint,
        labels=row.labels,
        annotations=row.annotations,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        updated_at=row.updated_at,
        expires=row.expires,
        generator_url=row.generator_url,
        channels=tuple(row.channels) if row.channels is not None else None,
        dedup_window=row.dedup_window,
        changes=tuple(row.changes),
    )


def _turned(old: Alert | None, new: Alert) -> bool:
    return old is not None and new.changes[:1] != old.changes[:1]


def _row(alert: Alert) -> dict[str, Any]:
    window = alert.dedup_window
    return {
        "fingerprint": alert.fingerprint,
        "labels": _texts(alert.labels, LABEL_CAP),
        "annotations": _texts(alert.annotations, ANNOTATION_CAP),
        "starts_at": alert.starts_at.isoformat(),
        "ends_at": alert.ends_at.isoformat() if alert.ends_at else None,
        "updated_at": alert.updated_at.isoformat(),
        "expires": alert.expires,
        "generator_url": storable(alert.generator_url, LABEL_CAP),
        "channels": alert.channels,
        "dedup_window": f"{window.total_seconds()} seconds" if window is not None else None,
        "changes": [at.isoformat() for at in alert.changes],
    }


def _texts(texts: Mapping[str, str], limit: int) -> dict[str, str]:
    return {storable(name, LABEL_CAP): storable(value, limit) for name, value in texts.items()}
