"""Groups in the store: which alerts are told together, and when a group is looked at next."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import Connection, Row, delete, func, select, text

from watchfleet.db.tables import notify_alert, notify_group, notify_member
from watchfleet.notify.incoming import Alert
from watchfleet.notify.policy import OWN, Policy
from watchfleet.notify.tree import Node

CLAIM_LIMIT: Final = 200
KEPT: Final = timedelta(days=5)
"""How long an empty group is kept, for what was told of it; Alertmanager's `--data.retention`."""
_GROUPS: Final = UUID("0b6f8f5e-2a53-5c0e-8c2e-6a8f0c1d7b11")

_PLACE = text(
    """
    WITH placed AS (
        INSERT INTO notify_group (route, labels, group_key, digest, channels, due_at, updated_at)
        SELECT route, labels, group_key, digest, channels, due_at, :now
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
            route text, labels jsonb, group_key text, digest uuid, channels text[], due_at timestamptz
        )
        ORDER BY digest
        ON CONFLICT (digest) DO UPDATE SET
            updated_at = EXCLUDED.updated_at, due_at = COALESCE(notify_group.due_at, EXCLUDED.due_at)
        RETURNING *, xmax = 0 AS is_new
    ), joined AS (
        INSERT INTO notify_member (group_id, fingerprint)
        SELECT placed.id, member.fingerprint
        FROM jsonb_to_recordset(CAST(:members AS jsonb)) AS member (digest uuid, fingerprint text)
        JOIN placed USING (digest)
        ON CONFLICT DO NOTHING
    )
    SELECT * FROM placed
    """
)
_CLAIM = text(
    """
    SELECT * FROM notify_group WHERE due_at <= :now ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)
_NEXT_LOOK = text(
    """
    UPDATE notify_group SET due_at = given.due_at, flushed_at = given.flushed_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
        id bigint, due_at timestamptz, flushed_at timestamptz
    )
    WHERE notify_group.id = given.id
    """
)


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts that are told together.

    Attributes:
        id: Its row.
        route: The key of its node.
        labels: What its alerts have in common.
        key: Its name in notifications.
        channels: A rule's own channels.
        flushed_at: When it was looked at last; None when it never was.
        fresh: Its alerts, if it was made in this transaction; None if it was there before.
    """

    id: int
    route: str
    labels: Mapping[str, str]
    key: str
    channels: tuple[str, ...] | None
    flushed_at: datetime | None
    fresh: tuple[Alert, ...] | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """When a group is looked at.

    Attributes:
        due_at: The next time; None for one without members.
        flushed_at: The last time that its route's receiver had its turn; None for one without members.
    """

    due_at: datetime | None
    flushed_at: datetime | None


def place(
    connection: Connection, policy: Policy, alerts: Iterable[Alert], now: datetime
) -> tuple[list[Group], datetime | None]:
    """Put alerts that fire into the groups they belong to.

    A group that is new, or had no members, waits for `group_wait`; not if an alert of it has been firing for
    longer, which hurries a group that is waiting, too (Alertmanager's `aggrGroup.insert`).

    Returns:
        The groups that are to be looked at now, and when the first of the others is.
    """
    wanted: dict[str, _Wanted] = {}
    for alert in alerts:
        for node in policy.nodes(alert.labels, alert.channels):
            labels = node.group_labels(alert.labels)
            key = node.group_key(labels)
            found = wanted.setdefault(str(uuid5(_GROUPS, key)), _Wanted(node, labels, key))
            found.members.append(alert)
            found.hurried |= alert.starts_at + node.group_wait < now
    if not wanted:
        return [], None
    given = [one.row(digest, now) for digest, one in wanted.items()]
    members = [
        {"digest": digest, "fingerprint": alert.fingerprint}
        for digest, one in wanted.items()
        for alert in one.members
    ]
    parameters = {"rows": json.dumps(given), "members": json.dumps(members), "now": now}
    rows = connection.execute(_PLACE, parameters).all()
    at_once, later = [], []
    for row in rows:
        if wanted[str(row.digest)].is_due(row, now):
            at_once.append(row)
        else:
            later.append(row.due_at)
    fresh = {row.id: tuple(wanted[str(row.digest)].members) for row in rows if row.is_new}
    return [_group(row, fresh.get(row.id)) for row in at_once], min(later, default=None)


def changed_at_once(connection: Connection, policy: Policy, fingerprints: Sequence[str]) -> list[Group]:
    """The groups of alerts that are looked at whenever one changes, because they have no `group_interval`."""
    ids = select(notify_member.c.group_id).where(notify_member.c.fingerprint.in_(fingerprints))
    statement = select(notify_group).where(notify_group.c.id.in_(ids)).order_by(notify_group.c.digest)
    found = [_group(row) for row in connection.execute(statement.with_for_update())]
    return [group for group in found if looks_at_once(policy, group)]


def looks_at_once(policy: Policy, group: Group) -> bool:
    """Whether a group is looked at whenever one of its alerts changes."""
    node = policy.node(group.route, group.channels)
    return node is None or not node.group_interval


def claim_due(connection: Connection, now: datetime, limit: int = CLAIM_LIMIT) -> list[Group]:
    """Take the groups that are due; nobody else has them until the transaction ends."""
    return [_group(row) for row in connection.execute(_CLAIM, {"now": now, "limit": limit})]


def next_due(connection: Connection) -> datetime | None:
    """When the next group is due; None if none is."""
    found: datetime | None = connection.scalar(select(func.min(notify_group.c.due_at)))
    return found


def set_next_looks(connection: Connection, looks: Mapping[int, Look]) -> None:
    """Note when groups were looked at, and when they are again."""
    rows = [
        {
            "id": group,
            "due_at": look.due_at.isoformat() if look.due_at else None,
            "flushed_at": look.flushed_at.isoformat() if look.flushed_at else None,
        }
        for group, look in looks.items()
    ]
    connection.execute(_NEXT_LOOK, {"rows": json.dumps(rows)})


def forget(connection: Connection, now: datetime) -> None:
    """Delete those that have had no members, and no news, for `KEPT`."""
    connection.execute(
        delete(notify_group).where(notify_group.c.due_at.is_(None), notify_group.c.updated_at < now - KEPT)
    )


def members(connection: Connection, groups: Sequence[int]) -> "Sequence[Row[Any]]":
    """The members of groups: `group_id`, `told_at` and the columns of the alert."""
    statement = (
        select(notify_member.c.group_id, notify_member.c.told_at, notify_alert)
        .join(notify_alert, notify_alert.c.fingerprint == notify_member.c.fingerprint)
        .where(notify_member.c.group_id.in_(groups))
        .order_by(notify_alert.c.starts_at, notify_alert.c.fingerprint)
    )
    return connection.execute(statement).all()


@dataclass(slots=True)
class _Wanted:
    node: Node
    labels: Mapping[str, str]
    key: str
    members: list[Alert] = field(default_factory=list)
    hurried: bool = False

    def row(self, digest: str, now: datetime) -> dict[str, Any]:
        own = self.node.key.startswith(OWN)
        return {
            "route": self.node.key,
            "labels": self.labels,
            "group_key": self.key,
            "digest": digest,
            "channels": self.node.channels if own else None,
            "due_at": (now if self.hurried else now + self.node.group_wait).isoformat(),
        }

    def is_due(self, row: "Row[Any]", now: datetime) -> bool:
        at_once = not self.node.group_interval or (self.hurried and row.flushed_at is None)
        return at_once or row.due_at <= now


def _group(row: "Row[Any]", fresh: tuple[Alert, ...] | None = None) -> Group:
    channels = tuple(row.channels) if row.channels is not None else None
    return Group(row.id, row.route, row.labels, row.group_key, channels, row.flushed_at, fresh)
