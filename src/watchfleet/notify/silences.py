"""Silences: alerts that are not told for a time, by order of a person.

Alertmanager's rules (`silence.Silences`): a silence that is active may only be changed in its comment and
its end; any other change makes a new one of it and ends the old. An end is a silence that is over, not one
that is gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, delete, select
from sqlalchemy.dialects.postgresql import insert

from watchfleet.db.tables import silence
from watchfleet.errors import WatchfleetError
from watchfleet.notify.intervals import TimeInterval
from watchfleet.notify.matchers import Matcher, matcher, matches

RETENTION: Final = timedelta(days=5)
"""How long a silence that is over is kept; Alertmanager's `--data.retention`."""


class SilenceState(StrEnum):
    """Where a silence stands."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


class SilenceError(WatchfleetError):
    """A silence cannot be made or changed as asked."""


class UnknownSilenceError(SilenceError):
    """There is no such silence."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence.

    Attributes:
        id: Its name.
        matchers: What it is about; all of them must match.
        starts_at: When it begins.
        ends_at: When it is over.
        updated_at: When it was changed last.
        created_by: Who made it.
        comment: Why.
        intervals: The only times at which it holds; empty if it holds all the time.
    """

    id: UUID | None
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime | None = None
    intervals: tuple[TimeInterval, ...] = ()

    def state(self, now: datetime) -> SilenceState:
        """Where it stands."""
        if now < self.starts_at:
            return SilenceState.PENDING
        return SilenceState.EXPIRED if now > self.ends_at else SilenceState.ACTIVE

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Whether it is about an alert with these labels."""
        return matches(self.matchers, labels)

    def holds(self, now: datetime) -> bool:
        """Whether what it is about is silent now."""
        within = not self.intervals or any(part.contains(now) for part in self.intervals)
        return within and self.state(now) is SilenceState.ACTIVE


def put(connection: Connection, wanted: Silence, now: datetime) -> UUID:
    """Make a silence, or change the one of the same id; returns the id that it has then.

    Raises:
        UnknownSilenceError: It has an id that no silence has.
        SilenceError: It is not possible; says why.
    """
    _check(wanted, now)
    if wanted.id is not None:
        old = get(connection, wanted.id, for_update=True)
        if _may_change(old, wanted, now):
            return _write(connection, replace(wanted, updated_at=now))
        if old.state(now) is not SilenceState.EXPIRED:
            expire(connection, wanted.id, now)
    fresh = replace(wanted, id=uuid4(), starts_at=max(wanted.starts_at, now), updated_at=now)
    return _write(connection, fresh)


def expire(connection: Connection, name: UUID, now: datetime) -> Silence:
    """End a silence.

    Raises:
        UnknownSilenceError: There is no such silence.
        SilenceError: It is over already.
    """
    found = get(connection, name, for_update=True)
    if found.state(now) is SilenceState.EXPIRED:
        raise SilenceError(f"silence {name} already expired")
    ended = replace(found, starts_at=min(found.starts_at, now), ends_at=now, updated_at=now)
    _write(connection, ended)
    return ended


def get(connection: Connection, name: UUID, *, for_update: bool = False) -> Silence:
    """A silence by its id.

    Raises:
        UnknownSilenceError: There is none.
    """
    statement = select(silence).where(silence.c.id == name)
    row = connection.execute(statement.with_for_update() if for_update else statement).one_or_none()
    if row is None:
        raise UnknownSilenceError(f"there is no silence {name}")
    return _silence(row)


def every(connection: Connection) -> list[Silence]:
    """Every silence that is kept, in Alertmanager's order: what is active first, then pending, then over."""
    rows = connection.execute(select(silence).order_by(silence.c.starts_at, silence.c.id))
    return [_silence(row) for row in rows]


def in_force(connection: Connection, now: datetime) -> list[Silence]:
    """The silences that hold now."""
    rows = connection.execute(
        select(silence)
        .where(silence.c.starts_at <= now, silence.c.ends_at >= now)
        .order_by(silence.c.starts_at, silence.c.id)
    )
    return [found for found in map(_silence, rows) if found.holds(now)]


def silencing(silences: Sequence[Silence], labels: Mapping[str, str]) -> tuple[str, ...]:
    """The ids of those that are about an alert."""
    return tuple(str(one.id) for one in silences if one.covers(labels))


def forget(connection: Connection, now: datetime) -> None:
    """Delete those that have been over for `RETENTION`."""
    connection.execute(delete(silence).where(silence.c.ends_at < now - RETENTION))


def _check(wanted: Silence, now: datetime) -> None:
    if not wanted.matchers:
        raise SilenceError("invalid silence: at least one matcher required")
    if all(one.matches("") for one in wanted.matchers):
        raise SilenceError("invalid silence: at least one matcher must not match the empty string")
    if wanted.ends_at <= wanted.starts_at:
        raise SilenceError("invalid silence: start time must be before end time")
    if wanted.ends_at < now:
        raise SilenceError("invalid silence: end time can't be in the past")


def _may_change(old: Silence, wanted: Silence, now: datetime) -> bool:
    """Whether the change leaves what the silence has done so far as it was."""
    if set(old.matchers) != set(wanted.matchers) or old.intervals != wanted.intervals:
        return False
    match old.state(now):
        case SilenceState.ACTIVE:
            return int(old.starts_at.timestamp()) == int(wanted.starts_at.timestamp())
        case SilenceState.PENDING:
            return wanted.starts_at >= now
        case SilenceState.EXPIRED:
            return False


def _write(connection: Connection, one: Silence) -> UUID:
    if one.id is None or one.updated_at is None:
        raise ValueError("a silence is written with its id and time")
    values: dict[str, Any] = {
        "matchers": [{"name": each.name, "op": each.op, "value": each.value} for each in one.matchers],
        "starts_at": one.starts_at,
        "ends_at": one.ends_at,
        "updated_at": one.updated_at,
        "created_by": one.created_by,
        "comment": one.comment,
        "intervals": [each.model_dump(mode="json") for each in one.intervals] or None,
    }
    statement = insert(silence).values(id=one.id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
    return one.id


def _silence(row: "Row[Any]") -> Silence:
    return Silence(
        id=row.id,
        matchers=tuple(matcher(each["name"], each["op"], each["value"]) for each in row.matchers),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        created_by=row.created_by,
        comment=row.comment,
        updated_at=row.updated_at,
        intervals=tuple(TimeInterval.model_validate(each) for each in row.intervals or ()),
    )
