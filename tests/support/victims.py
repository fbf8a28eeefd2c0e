"""The processes of a fleet, to be killed."""

from collections.abc import Callable

import psutil
import psycopg2
from support.fleet import Fleet

Victim = Callable[[Fleet], int]
"""Finds the process."""


def the_leading_beat(fleet: Fleet) -> int:
    with psycopg2.connect(fleet.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT holder FROM beat_leader")
        (holder,) = cursor.fetchone() or ("",)
    connection.close()
    return int(holder.rpartition(":")[2])


def _named(name: str) -> Victim:
    return lambda fleet: fleet.pid(name)


def _child_of(name: str) -> Victim:
    return lambda fleet: int(psutil.Process(fleet.pid(name)).children()[0].pid)


PREFORK = ("rules", "background")
VICTIMS: dict[str, Victim] = {
    **{name: _named(name) for name in ("valkey", "postgres", "web", "dispatcher", "flower")},
    "leading beat": the_leading_beat,
    **{f"{name} worker": _named(name) for name in (*PREFORK, "ingest", "probes", "alerts")},
    **{f"child of the {name} worker": _child_of(name) for name in PREFORK},
}
