"""The audit: who was told of what, when, on which try and with which answer; and who was not, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, or_, select

from watchfleet.db.tables import alert, alert_event, outbox
from watchfleet.model import Destination
from watchfleet.notify import acknowledgements, alerts
from watchfleet.notify.acknowledgements import Acknowledgement
from watchfleet.notify.incoming import Alert

MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification to one destination, or the reason why there was none.

    Attributes:
        id: Its number, higher for later ones.
        delivery_id: Its name to the receiver.
        destination: Who was told.
        state: `pending`, `sending`, `retry`, `sent`, `dead`, `grouped` or `suppressed`.
        reason: Why it is in that state: `delivered`, `http_404`, `silenced:<id>`, `inhibited:<fingerprint>`,
            `muted:<times>`, `dedup_window`, `flapping`, ...
        status: `firing` or `resolved`.
        told_because: Why it was told then, such as `repeat_interval_elapsed`.
        alerts: What it tells of: each alert's fingerprint, status and labels.
        group_key: The group.
        attempts: How many tries there were.
        created_at: When it was written.
        due_at: When it is tried next, or was last.
        finished_at: When it ended.
        answer: What the receiver said.
        last_error: What went wrong at the last try that failed.
        digest_id: The notification that told of this one together with others.
        instead_of: The dead notification whose fallback this one is.
    """

    id: int
    delivery_id: str
    destination: Destination
    state: str
    reason: str
    status: str
    told_because: str
    alerts: tuple[dict[str, Any], ...]
    group_key: str
    attempts: int
    created_at: datetime
    due_at: datetime
    finished_at: datetime | None
    answer: str
    last_error: str
    digest_id: int | None
    instead_of: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which notifications are asked for.

    Attributes:
        fingerprint: Of an alert that they tell of.
        state: Their state.
        channel: Their channel.
        receiver: Their receiver.
        since: Written at that time or later.
        until: Written before that time.
        before: With a lower number than that: the next page.
        limit: How many at most, the newest first.
    """

    fingerprint: str | None = None
    state: str | None = None
    channel: str | None = None
    receiver: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Event:
    """A rule's alert that came into another state.

    Attributes:
        at: When.
        before: The state that it was in.
        after: The state that it came into.
        reason: Why.
    """

    at: datetime
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True)
class Life:
    """Everything that is known of one alert.

    Attributes:
        alert: The alert as it is now; None when only its past is known.
        events: What a rule of ours said of it, the oldest first.
        notifications: Who was told and who was not, the oldest first.
        acknowledgements: Who acknowledged it, the oldest first.
    """

    alert: Alert | None
    events: tuple[Event, ...] = ()
    notifications: tuple[Notification, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = field(default_factory=tuple)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return self.alert is None and not (self.events or self.notifications or self.acknowledgements)


def find(connection: Connection, asked: Asked) -> list[Notification]:
    """The notifications that are asked for, the newest first."""
    conditions = list(_conditions(asked))
    statement = select(outbox).where(*conditions).order_by(outbox.c.id.desc())
    return _read(connection, statement.limit(min(asked.limit, MOST)))


def get(connection: Connection, name: str) -> Notification | None:
    """One notification by its number or its delivery id; None if there is none."""
    same = outbox.c.delivery_id == name
    if name.isascii() and name.isdigit() and len(name) < 19:
        same = or_(same, outbox.c.id == int(name))
    return next(iter(_read(connection, select(outbox).where(same).limit(1))), None)


def life(connection: Connection, fingerprint: str) -> Life:
    """Everything that is known of an alert, also of one that nobody was told about."""
    told = (
        select(outbox).where(outbox.c.fingerprints.contains([fingerprint])).order_by(outbox.c.id).limit(MOST)
    )
    return Life(
        alerts.get(connection, fingerprint),
        tuple(_events(connection, fingerprint)),
        tuple(_read(connection, told)),
        tuple(acknowledgements.history(connection, fingerprint)),
    )


def _conditions(asked: Asked) -> "Sequence[ColumnElement[bool]]":
    given = {
        outbox.c.state: asked.state,
        outbox.c.channel: asked.channel,
        outbox.c.receiver: asked.receiver,
    }
    found: list[ColumnElement[bool]] = [
        column == value for column, value in given.items() if value is not None
    ]
    if asked.fingerprint is not None:
        found.append(outbox.c.fingerprints.contains([asked.fingerprint]))
    if asked.since is not None:
        found.append(outbox.c.created_at >= asked.since)
    if asked.until is not None:
        found.append(outbox.c.created_at < asked.until)
    if asked.before is not None:
        found.append(outbox.c.id < asked.before)
    return found


def _events(connection: Connection, fingerprint: str) -> list[Event]:
    rows = connection.execute(
        select(alert_event)
        .join(alert, alert.c.id == alert_event.c.alert_id)
        .where(alert.c.fingerprint == fingerprint)
        .order_by(alert_event.c.id.desc())
        .limit(MOST)
    ).all()
    return [Event(row.at, row.from_state, row.to_state, row.reason) for row in reversed(rows)]


def _read(connection: Connection, statement: "Select[Any]") -> list[Notification]:
    return [_notification(row) for row in connection.execute(statement)]


def _notification(row: "Row[Any]") -> Notification:
    message = row.message if isinstance(row.message, dict) else {}
    told = tuple(
        {name: each.get(name) for name in ("fingerprint", "status", "labels")}
        for each in message.get("alerts", ())
    )
    return Notification(
        id=row.id,
        delivery_id=row.delivery_id,
        destination=Destination(row.channel, row.receiver, row.position, row.part),
        state=row.state,
        reason=row.reason,
        status=message.get("status", ""),
        told_because=message.get("reason", ""),
        alerts=told,
        group_key=message.get("group_key", ""),
        attempts=row.attempts,
        created_at=row.created_at,
        due_at=row.due_at,
        finished_at=row.finished_at,
        answer=(row.receipt or {}).get("answer", ""),
        last_error=row.last_error,
        digest_id=row.digest_id,
        instead_of=row.instead_of,
    )
