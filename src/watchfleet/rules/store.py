"""Alerts and their events in the store."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, and_, or_, select, text

from watchfleet.db.tables import alert
from watchfleet.model import AlertState
from watchfleet.notify.routing import severity
from watchfleet.rules.plan import Alert, Change, Identity, identity
from watchfleet.rules.state import Standing

_ACTIVE: Final = (AlertState.PENDING, AlertState.FIRING)
_COLUMNS: Final = (
    "rule text, rule_group text, fingerprint text, severity text, labels jsonb, annotations jsonb,"
    " state text, active_at timestamptz, fired_at timestamptz, resolved_at timestamptz,"
    " keep_firing_since timestamptz, missing_since timestamptz, evaluated_at timestamptz, value float8"
)
_NAMES: Final = ", ".join(column.split()[0] for column in _COLUMNS.split(", "))
_RENEWED: Final = ", ".join(
    f"{name} = excluded.{name}" for name in _NAMES.split(", ") if name not in {"rule", "fingerprint"}
)
_SAVE: Final = text(
    f"INSERT INTO alert ({_NAMES})"  # noqa: S608 - only names of our own
    f" SELECT {_NAMES} FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given ({_COLUMNS})"
    f" ON CONFLICT (rule, fingerprint) DO UPDATE SET {_RENEWED} RETURNING id, rule, fingerprint"
)
_ADD_EVENTS: Final = text(
    "INSERT INTO alert_event (alert_id, at, from_state, to_state, reason, value)"
    " SELECT alert_id, at, from_state, to_state, reason, value"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given"
    " (place int, alert_id bigint, at timestamptz, from_state text, to_state text, reason text, value float8)"
    " ORDER BY place RETURNING id"
)

Known = dict[Identity, Alert]


class Decided(NamedTuple):
    """What an evaluation decided of one alert.

    Attributes:
        rule: The key of its rule.
        group: The key of the rule's group.
        change: What changes.
    """

    rule: str
    group: str
    change: Change


class Saved(NamedTuple):
    """A transition that is in the store now.

    Attributes:
        event_id: The event that tells of it.
        alert_id: The alert.
        decided: What was decided.
    """

    event_id: int
    alert_id: int
    decided: Decided


def active(connection: Connection, groups: Collection[str]) -> dict[str, dict[str, Known]]:
    """The pending and firing alerts of some groups, by group and by the key of their rule."""
    rows = connection.execute(select(alert).where(alert.c.rule_group.in_(groups), _is_active())).all()
    found: dict[str, dict[str, Known]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        found[row.rule_group][row.rule][identity(row.labels)] = _alert(row)
    return {group: dict(rules) for group, rules in found.items()}


def active_elsewhere(connection: Connection, groups: Collection[str]) -> set[str]:
    """The groups that have active alerts, beside these."""
    found = connection.scalars(
        select(alert.c.rule_group)
        .where(_is_active(), alert.c.rule_group != "", alert.c.rule_group.not_in(groups))
        .distinct()
    )
    return set(found)


def known(connection: Connection, fingerprints: Mapping[str, Collection[str]]) -> dict[str, Known]:
    """What is known of alerts that are not active, by rule; asked for by rule and fingerprint."""
    wanted = [
        and_(alert.c.rule == rule, alert.c.fingerprint.in_(some)) for rule, some in fingerprints.items()
    ]
    found: dict[str, Known] = defaultdict(dict)
    for row in connection.execute(select(alert).where(or_(*wanted))) if wanted else ():
        found[row.rule][identity(row.labels)] = _alert(row)
    return found


def save(connection: Connection, decided: Sequence[Decided]) -> list[Saved]:
    """Write where alerts stand, and an event of each that changed its state; returns those."""
    if not decided:
        return []
    rows = connection.execute(_SAVE, {"rows": json.dumps([_values(one) for one in decided])})
    ids = {(row.rule, row.fingerprint): row.id for row in rows}
    moved = [one for one in decided if one.change.is_transition]
    of = [ids[one.rule, one.change.fingerprint] for one in moved]
    events = [_event(place, at, one.change) for place, (at, one) in enumerate(zip(of, moved, strict=True))]
    numbers = connection.scalars(_ADD_EVENTS, {"rows": json.dumps(events)}) if events else ()
    return [Saved(*one) for one in zip(sorted(numbers), of, moved, strict=True)]


def _is_active() -> Any:
    return alert.c.state.in_(_ACTIVE)


def _values(decided: Decided) -> dict[str, Any]:
    now, standing = decided.change.alert, decided.change.alert.standing
    return {
        "rule": decided.rule,
        "rule_group": decided.group,
        "fingerprint": decided.change.fingerprint,
        "severity": severity(now.labels),
        "labels": dict(now.labels),
        "annotations": dict(now.annotations),
        "state": standing.state,
        "active_at": _text(standing.active_at),
        "fired_at": _text(standing.fired_at),
        "resolved_at": _text(standing.resolved_at),
        "keep_firing_since": _text(standing.keep_firing_since),
        "missing_since": _text(standing.missing_since),
        "evaluated_at": _text(now.evaluated_at),
        "value": _number(now.value),
    }


def _event(place: int, alert_id: int, change: Change) -> dict[str, Any]:
    return {
        "place": place,
        "alert_id": alert_id,
        "at": _text(change.at),
        "from_state": change.before,
        "to_state": change.after,
        "reason": change.reason,
        "value": _number(change.alert.value),
    }


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _number(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinities; PostgreSQL reads their names."""
    return value if value is None or value - value == 0 else str(value)


def _alert(row: "Row[Any]") -> Alert:
    standing = Standing(
        AlertState(row.state),
        row.active_at,
        row.fired_at,
        row.resolved_at,
        row.keep_firing_since,
        row.missing_since,
    )
    return Alert(row.labels, row.annotations, standing, row.value, row.evaluated_at)
