"""What applications did under a correlation id, and alerts that they raised: checked and stored."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from watchfleet.correlation import accepted
from watchfleet.db import partitions
from watchfleet.db.tables import activity, raised_alert
from watchfleet.metrics import names, snapshots, statements
from watchfleet.metrics.rejects import Rejects
from watchfleet.model import Activity, Kind

KINDS: Final = ("task", "request", "query", "alert", "lock", "repeat", "memory", "statement")
MOST_RAISED: Final = 10_000
"""Alerts that applications have raised at one time; further ones are turned away."""
RAISED_KEPT: Final = timedelta(days=1)
"""How long one that is over is kept, so that it is seen to be over."""
_APART: Final = {"alert", "memory", "statement"}
_LONGEST: Final = 1024
_MOST_FIELDS: Final = 32
_LONGEST_LASTING: Final = 366 * 86_400


def check(rows: Iterable[Any], rejects: Rejects, oldest: float, newest: float) -> list[Activity]:
    """The rows that may be stored; the others are counted and kept as rejects.

    Args:
        rows: `[kind, at, correlation id, name, fields]` each; may be anything.
        rejects: Where the others go, as `bad_activity`, `bad_alert`, `too_old` or `too_new`.
        oldest: The earliest time that is accepted, in Unix seconds.
        newest: The latest.
    """
    kept = []
    for row in rows:
        found = _checked(row, oldest, newest)
        if isinstance(found, str):
            rejects.count(found)
            rejects.keep(found, {"activity": row})
        else:
            kept.append(found)
    return kept


def make_partitions(engine: Engine, rows: Sequence[Activity]) -> None:
    """Make the partitions that rows will be in, in a transaction of its own."""
    days = {_instant(row.at).date() for row in rows if row.kind not in _APART}
    partitions.ensure(engine, partitions.ACTIVITY, days)


def apply(connection: Connection, rows: Sequence[Activity], rejects: Rejects) -> None:
    """Store rows, raise or end the alerts among them, and learn kinds of statements."""
    done = [row for row in rows if row.kind not in _APART]
    if done:
        connection.execute(insert(activity), [_row(each) for each in done])
    statements.learn(connection, [row for row in rows if row.kind == "statement"])
    snapshots.keep(connection, [row for row in rows if row.kind == "memory"])
    # Of one alert the last word counts; in one order, so that two batches never wait for each other.
    last = {_identity(row): row for row in sorted(rows, key=lambda row: row.at) if row.kind == "alert"}
    for key in sorted(last):
        _raise(connection, key, last[key], rejects)


def _checked(row: Any, oldest: float, newest: float) -> Activity | str:
    try:
        kind, at, correlation_id, name, fields = row
    except (TypeError, ValueError):
        return "bad_activity"
    known = kind in KINDS and accepted(correlation_id) and _is_text(name) and isinstance(fields, dict)
    if not known or not names.is_number(at) or len(fields) > _MOST_FIELDS:
        return "bad_activity"
    if not oldest <= at <= newest:
        return "too_old" if at < oldest else "too_new"
    good = _is_alert(fields) if kind == "alert" else all(map(_is_field, fields.items()))
    return Activity(kind, float(at), correlation_id, name, fields) if good else f"bad_{_noun(kind)}"


def _noun(kind: str) -> str:
    return "alert" if kind == "alert" else "activity"


def _is_alert(fields: dict[str, Any]) -> bool:
    texts = [fields.get(key) for key in ("summary", "description")]
    lasts, labels = fields.get("lasts"), fields.get("labels")
    if not isinstance(labels, dict) or not all(text == "" or _is_text(text) for text in texts):
        return False
    if not isinstance(lasts, int | float) or not 0 <= lasts <= _LONGEST_LASTING:
        return False
    return isinstance(names.check([labels.get("alertname"), labels, Kind.GAUGE]), names.Valid)


def _is_field(field: tuple[Any, Any]) -> bool:
    key, value = field
    if key == "duration":
        return names.is_number(value)
    return _is_text(key) and (names.is_number(value) or value == "" or _is_text(value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and names.is_storable(value)


def _row(row: Activity) -> dict[str, Any]:
    fields = dict(row.fields)
    return {
        "ts": _instant(row.at),
        "correlation_id": row.correlation_id,
        "kind": row.kind,
        "name": row.name,
        "service": str(fields.pop("service", "")),
        "duration": fields.pop("duration", None),
        "fields": fields,
    }


def _identity(row: Activity) -> str:
    return str(names.fingerprint(row.name, row.fields["labels"]))


def _raise(connection: Connection, key: str, row: Activity, rejects: Rejects) -> None:
    at = _instant(row.at)
    connection.execute(delete(raised_alert).where(raised_alert.c.until < at - RAISED_KEPT))
    count = connection.scalar(select(func.count()).select_from(raised_alert).where(raised_alert.c.id != key))
    if (count or 0) >= MOST_RAISED:
        rejects.count("too_many_alerts")
        rejects.keep("too_many_alerts", {"name": row.name, "labels": row.fields["labels"]})
        return
    values = {
        "labels": row.fields["labels"],
        "annotations": _annotations(row),
        "raised_at": at,
        "until": at + timedelta(seconds=row.fields["lasts"]),
    }
    statement = insert(raised_alert).values(id=key, **values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["id"], set_=values, where=raised_alert.c.raised_at <= statement.excluded.raised_at
        )
    )


def _annotations(row: Activity) -> dict[str, str]:
    texts = {key: row.fields[key] for key in ("summary", "description") if row.fields[key]}
    return {**texts, "correlation_id": row.correlation_id}


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
