"""Snapshots of processes' memory: what was asked for, and what applications answered."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, select
from sqlalchemy.dialects.postgresql import insert

from watchfleet.db.locks import Lock, wait_lock
from watchfleet.db.tables import memory_snapshot
from watchfleet.model import Activity

MOST: Final = 500
"""How many are kept, those that were asked for last."""
PATIENCE: Final = timedelta(minutes=3)
"""How long a process has to hear that it is asked; it looks after a task, each half minute."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a process was asked for.

    Attributes:
        id: Tells it from others.
        process: The process.
        asked_at: When it was asked.
        until: When it is over, taken or not.
        taken_at: When it was taken; None if it was not.
        result: `tasks` (how many ran meanwhile), `duration` in seconds, `ran` (tasks by name) and `lines`
            (what was allocated and kept, the most first: `line`, `bytes`, `blocks`, `source`), or `error`.
    """

    id: str
    process: str
    asked_at: datetime
    until: datetime
    taken_at: datetime | None
    result: dict[str, Any]

    def facts(self) -> dict[str, Any]:
        """All of it for JSON."""
        return {
            "id": self.id,
            "process": self.process,
            "asked_at": self.asked_at.isoformat(),
            "taken_at": self.taken_at.isoformat() if self.taken_at else None,
            **self.result,
        }


def ask(connection: Connection, process: str, now: datetime, seconds: float) -> Snapshot | None:
    """Note that a process is asked, unless another is at it: one in the whole fleet at a time.

    Args:
        connection: A transaction.
        process: The process.
        now: The present.
        seconds: How long the snapshot may take once it has begun.
    """
    wait_lock(connection, Lock.SNAPSHOTS)
    if under_way(connection, now):
        return None
    wanted = Snapshot(uuid4().hex, process, now, now + PATIENCE + timedelta(seconds=seconds), None, {})
    values = {name: getattr(wanted, name) for name in wanted.__dataclass_fields__}
    connection.execute(insert(memory_snapshot).values(values))
    old = select(memory_snapshot.c.id).order_by(memory_snapshot.c.asked_at.desc()).offset(MOST)
    connection.execute(delete(memory_snapshot).where(memory_snapshot.c.id.in_(old)))
    return wanted


def under_way(connection: Connection, now: datetime) -> bool:
    """Whether a process is asked that has not answered yet."""
    asked = select(memory_snapshot.c.id).where(
        memory_snapshot.c.taken_at.is_(None), memory_snapshot.c.until > now
    )
    return connection.scalar(asked.limit(1)) is not None


def read(connection: Connection, process: str | None = None, limit: int = MOST) -> list[Snapshot]:
    """Snapshots, the newest first; of a process, or of all."""
    query = select(memory_snapshot).order_by(memory_snapshot.c.asked_at.desc()).limit(limit)
    if process is not None:
        query = query.where(memory_snapshot.c.process == process)
    return [_snapshot(row) for row in connection.execute(query)]


def keep(connection: Connection, rows: Sequence[Activity]) -> None:
    """Keep what processes took, whether they were asked or did so by themselves."""
    # In one order, so that two batches never wait for each other.
    for row in sorted(rows, key=lambda one: one.correlation_id):
        at = datetime.fromtimestamp(row.at, UTC)
        answer = {"taken_at": at, "result": _result(row)}
        adding = insert(memory_snapshot).values(
            id=row.correlation_id, process=row.name, asked_at=at, until=at, **answer
        )
        connection.execute(adding.on_conflict_do_update(index_elements=["id"], set_=answer))


def _result(row: Activity) -> dict[str, Any]:
    """The fields, of which the longer ones are JSON in a text."""
    fields = {name: value for name, value in row.fields.items() if not name.isdigit()}
    found: dict[str, Any] = {name: _read(value) if name == "ran" else value for name, value in fields.items()}
    places = sorted(int(name) for name in row.fields if name.isdigit())
    return {**found, "lines": [line for place in places if (line := _read(row.fields[str(place)]))]}


def _read(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError):
        return None


def _snapshot(row: "Row[Any]") -> Snapshot:
    return Snapshot(row.id, row.process, row.asked_at, row.until, row.taken_at, row.result)
