"""When beat last sent each periodic task."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from watchfleet.db.tables import beat_entry


class LastRun(NamedTuple):
    """The newest slot of a periodic task.

    Attributes:
        name: The task's name.
        slot: The time that it was sent for.
        age: Seconds since then, by the store's clock.
    """

    name: str
    slot: datetime
    age: float


def last_runs(connection: Connection) -> list[LastRun]:
    """Every periodic task that was ever sent."""
    age = func.extract("epoch", func.now() - beat_entry.c.slot)
    rows = connection.execute(select(beat_entry.c.name, beat_entry.c.slot, age).order_by(beat_entry.c.name))
    return [LastRun(name, slot, float(seconds)) for name, slot, seconds in rows]
