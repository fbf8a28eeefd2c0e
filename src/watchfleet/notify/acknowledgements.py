"""Acknowledgements: somebody is on it, and nothing is repeated or escalated until the alert changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, or_, select, update

from watchfleet.db.tables import acknowledgement, notify_alert
from watchfleet.errors import WatchfleetError
from watchfleet.notify.text import one_line

WITHDRAWN: Final = "withdrawn by"
CHANGED: Final = "the alert's state changed"
_LONGEST: Final = 1000


class AcknowledgementError(WatchfleetError):
    """The alert cannot be acknowledged."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody's word that they are on an alert.

    Attributes:
        fingerprint: Which alert.
        created_by: Who.
        comment: Why.
        created_at: When.
        expires_at: When it ends by itself, if it does.
        ended_at: When it ended before that.
        ended_by: What ended it then.
    """

    fingerprint: str
    created_by: str
    comment: str
    created_at: datetime
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether it keeps the alert quiet."""
        return self.ended_at is None and (self.expires_at is None or self.expires_at > now)


def acknowledge(
    connection: Connection,
    fingerprint: str,
    by: str,
    comment: str,
    now: datetime,
    *,
    expires_at: datetime | None = None,
) -> Acknowledgement:
    """Acknowledge an alert that fires; an earlier acknowledgement of it ends.

    Raises:
        AcknowledgementError: There is no such alert, it does not fire, nobody is named, or the end is past.
    """
    row = connection.execute(
        select(notify_alert.c.ends_at).where(notify_alert.c.fingerprint == fingerprint).with_for_update()
    ).one_or_none()
    if row is None:
        raise AcknowledgementError(f"there is no alert {fingerprint}; `watchfleet alerts list` has them")
    if row.ends_at is not None and row.ends_at <= now:
        raise AcknowledgementError(f"the alert {fingerprint} does not fire any more")
    if not by.strip():
        raise AcknowledgementError("say who acknowledges it")
    if expires_at is not None and expires_at <= now:
        raise AcknowledgementError("its end must be in the future")
    name, why = one_line(by, 200), one_line(comment, _LONGEST)
    end(connection, [fingerprint], f"acknowledged again by {name}", now)
    made = Acknowledgement(fingerprint, name, why, now, expires_at)
    connection.execute(
        acknowledgement.insert().values(
            fingerprint=fingerprint, created_by=name, comment=why, created_at=now, expires_at=expires_at
        )
    )
    return made


def withdraw(connection: Connection, fingerprint: str, by: str, now: datetime) -> bool:
    """Withdraw the acknowledgement of an alert; returns whether there was one."""
    return bool(end(connection, [fingerprint], f"{WITHDRAWN} {one_line(by, 200)}", now))


def end(connection: Connection, fingerprints: Sequence[str], why: str, now: datetime) -> int:
    """End the acknowledgements of alerts; returns how many there were."""
    if not fingerprints:
        return 0
    result = connection.execute(
        update(acknowledgement)
        .where(acknowledgement.c.fingerprint.in_(fingerprints), _open(now))
        .values(ended_at=now, ended_by=why)
    )
    return int(result.rowcount)


def in_force(
    connection: Connection, fingerprints: Sequence[str], now: datetime
) -> dict[str, Acknowledgement]:
    """The acknowledgements that hold for these alerts, by fingerprint."""
    if not fingerprints:
        return {}
    rows = connection.execute(
        select(acknowledgement).where(acknowledgement.c.fingerprint.in_(fingerprints), _open(now))
    )
    return {row.fingerprint: _acknowledgement(row) for row in rows}


def history(connection: Connection, fingerprint: str) -> list[Acknowledgement]:
    """Every acknowledgement of an alert, the oldest first."""
    rows = connection.execute(
        select(acknowledgement)
        .where(acknowledgement.c.fingerprint == fingerprint)
        .order_by(acknowledgement.c.id)
    )
    return [_acknowledgement(row) for row in rows]


def _open(now: datetime) -> ColumnElement[bool]:
    expires = acknowledgement.c.expires_at
    return acknowledgement.c.ended_at.is_(None) & or_(expires.is_(None), expires > now)


def _acknowledgement(row: "Row[Any]") -> Acknowledgement:
    return Acknowledgement(
        row.fingerprint,
        row.created_by,
        row.comment,
        row.created_at,
        row.expires_at,
        row.ended_at,
        row.ended_by,
    )
