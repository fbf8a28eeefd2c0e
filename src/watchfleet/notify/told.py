"""What each destination was told of a group: Alertmanager's notification log, in the store."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select, text

from watchfleet.db.tables import notify_log
from watchfleet.model import Destination
from watchfleet.notify.verdict import Entry

Place = tuple[int, Destination]
"""A step of the escalation, 0 for the route's own receiver, and who is told there."""

_WRITE: Final = text(
    """
    WITH first AS (
        UPDATE notify_member SET told_at = :now
        FROM jsonb_to_recordset(CAST(:first AS jsonb)) AS given (group_id bigint, fingerprint text)
        WHERE notify_member.group_id = given.group_id AND notify_member.fingerprint = given.fingerprint
          AND notify_member.told_at IS NULL
    ), gone AS (
        DELETE FROM notify_member
        USING jsonb_to_recordset(CAST(:over AS jsonb)) AS given (group_id bigint, fingerprint text)
        WHERE notify_member.group_id = given.group_id AND notify_member.fingerprint = given.fingerprint
    )
    INSERT INTO notify_log (
        group_id, step, channel, receiver, "position", part, firing, resolved, told, fired, sent_at
    )
    SELECT group_id, step, channel, receiver, position, part, firing, resolved, told, fired, sent_at
    FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS given (
        group_id bigint, step smallint, channel text, receiver text, "position" smallint, part text,
        firing text[], resolved text[], told text[], fired jsonb, sent_at timestamptz
    )
    ON CONFLICT (group_id, step, channel, receiver, "position", part) DO UPDATE SET
        firing = EXCLUDED.firing, resolved = EXCLUDED.resolved, told = EXCLUDED.told,
        fired = EXCLUDED.fired, sent_at = EXCLUDED.sent_at
    """
)


def read(connection: Connection, groups: Sequence[int]) -> dict[int, dict[Place, Entry]]:
    """What was told of each of the groups, by whom it was told to."""
    found: dict[int, dict[Place, Entry]] = defaultdict(dict)
    for row in connection.execute(select(notify_log).where(notify_log.c.group_id.in_(groups))):
        place = row.step, Destination(row.channel, row.receiver, row.position, row.part)
        found[row.group_id][place] = _entry(row)
    return found


def write(
    connection: Connection,
    entries: Mapping[tuple[int, Place], Entry],
    first: Iterable[tuple[int, str]],
    over: Iterable[tuple[int, str]],
    now: datetime,
) -> None:
    """Note what was told.

    Args:
        connection: In a transaction that holds the groups.
        entries: What each destination has been told, by group.
        first: Alerts by group of which somebody is told now: an escalation counts from the first time.
        over: Alerts that are over, and told to be, which leave their groups. None of them is in `first`.
        now: The present.
    """
    given = {
        "entries": [_row(group, place, entry) for (group, place), entry in entries.items()],
        "first": _members(first),
        "over": _members(over),
    }
    if any(given.values()):
        texts = {name: json.dumps(rows) for name, rows in given.items()}
        connection.execute(_WRITE, {**texts, "now": now})


def _members(pairs: Iterable[tuple[int, str]]) -> list[dict[str, Any]]:
    return [{"group_id": group, "fingerprint": name} for group, name in pairs]


def _entry(row: "Row[Any]") -> Entry:
    fired = {name: datetime.fromisoformat(at) for name, at in row.fired.items()}
    return Entry(frozenset(row.firing), frozenset(row.resolved), frozenset(row.told), fired, row.sent_at)


def _row(group: int, place: Place, entry: Entry) -> dict[str, Any]:
    step, destination = place
    return {
        "group_id": group,
        "step": step,
        **destination._asdict(),
        "firing": sorted(entry.firing),
        "resolved": sorted(entry.resolved),
        "told": sorted(entry.told),
        "fired": {name: at.isoformat() for name, at in entry.fired.items()},
        "sent_at": entry.at.isoformat(),
    }
