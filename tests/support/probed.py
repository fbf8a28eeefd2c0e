"""Targets and their checks in the store, as the probes write them."""

from datetime import datetime

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from watchfleet.db.engine import transaction
from watchfleet.db.tables import probe_target
from watchfleet.metrics.ingest import write_samples
from watchfleet.model import Kind, Sample, Status

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


def remove(name: str) -> None:
    """Take a target out of the configuration."""
    with transaction() as connection:
        connection.execute(delete(probe_target).where(probe_target.c.name == name))


def check(name: str, at: datetime, *, ok: bool, kind: str = "http", reason: str = "timeout") -> None:
    """Record one check of a target."""
    sample = Sample("probe_success", {"target": name, "kind": kind}, Kind.GAUGE, at.timestamp(), float(ok))
    with transaction() as connection:
        write_samples(connection, f"{name}:{at.isoformat()}", [sample], at)
        connection.execute(
            update(probe_target)
            .where(probe_target.c.name == name)
            .values(
                status=Status.UP if ok else Status.DOWN,
                failures=0 if ok else probe_target.c.failures + 1,
                reason="" if ok else reason,
                checked_at=at,
            )
        )
