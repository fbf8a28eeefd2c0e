"""Targets and their checks in the store, as the probes write them."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from watchfleet.db.engine import transaction
from watchfleet.db.tables import probe_target
from watchfleet.model import ProbeResult, Severity, Status
from watchfleet.probes.dispatch import sync
from watchfleet.probes.probe import Options, Target
from watchfleet.probes.record import Found, record

INTERVAL = 5.0


def configure(name: str, now: datetime, *, kind: str = "http", **columns: object) -> None:
    """Have a target in the configuration that has never been checked."""
    values = {
        "name": name,
        "kind": kind,
        "interval_seconds": INTERVAL,
        "due_at": now,
        "status": Status.UNKNOWN,
        "status_since": now,
        "failures": 0,
        **columns,
    }
    with transaction() as connection:
        connection.execute(insert(probe_target).values(values))


def remove_all(at: datetime) -> None:
    """Take every target out of the configuration."""
    with transaction() as connection:
        sync(connection, [], at)


def check(name: str, at: datetime, *, ok: bool, reason: str = "timeout") -> None:
    """Record one check of a target, as the probes' worker does."""
    status = Status.UP if ok else Status.DOWN
    result = ProbeResult(name, status, "" if ok else reason, 0.1, at)
    with transaction() as connection:
        row = connection.execute(select(probe_target).where(probe_target.c.name == name)).one()
        target = Target(
            name,
            row.kind,
            timedelta(seconds=row.interval_seconds),
            timedelta(seconds=1),
            None,
            row.labels,
            Severity(row.severity),
            required=False,
            own=False,
            options=Options(),
        )
        record(connection, f"{name}:{at.isoformat()}", [Found(target, result)], at)
