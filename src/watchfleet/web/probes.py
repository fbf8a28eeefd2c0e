"""The blueprint of `/api/probes`: which targets there are, how they are, and what became of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint
from sqlalchemy import Connection, Row, select

from watchfleet.clock import utcnow
from watchfleet.db.tables import probe_target
from watchfleet.probes import history, report
from watchfleet.probes.dependencies import dependants
from watchfleet.probes.history import Interval
from watchfleet.probes.targets import get_targets
from watchfleet.web import parameters
from watchfleet.web.parameters import Answer

api = Blueprint("probes", __name__)


@api.get("/api/probes")
@parameters.answers
def probes() -> Answer:
    """Every target with its status and its uptime."""
    now = utcnow()
    with parameters.reading() as connection:
        rows = connection.execute(select(probe_target).order_by(probe_target.c.name)).all()
        known = history.intervals(connection, now - report.LONGEST, now)
    hidden = dependants((row.name, row.depends_on) for row in rows)
    found = [_facts(row, known.get(row.name, ()), hidden, now) for row in rows]
    return Answer({"targets": found}, [_flat(one) for one in found])


@api.get("/api/probes/<name>")
@parameters.answers
def probe(name: str) -> Answer:
    """One target, with every status that it was of since `since`, the newest first."""
    now = utcnow()
    since = parameters.instant("since", "30d", now)
    with parameters.reading() as connection:
        row = _row(connection, name)
        known = history.intervals(connection, min(since, now - report.LONGEST), now, [name])
        hidden = _hidden(connection)
    if row is None and not known:
        return Answer({"error": f"there is no target {name!r}; /api/probes lists them"}, status=404)
    intervals = known.get(name, [])
    facts = _facts(row, intervals, hidden, now) if row else {"name": name}
    statuses = [report.facts_of_interval(one) for one in reversed(intervals) if one.end >= since]
    return Answer({**facts, "history": statuses}, statuses)


def _row(connection: Connection, name: str) -> "Row[Any] | None":
    return connection.execute(select(probe_target).where(probe_target.c.name == name)).one_or_none()


def _hidden(connection: Connection) -> dict[str, list[str]]:
    rows = connection.execute(select(probe_target.c.name, probe_target.c.depends_on))
    return dependants((row.name, row.depends_on) for row in rows)


def _facts(
    row: "Row[Any]", intervals: Sequence[Interval], hidden: Mapping[str, list[str]], now: datetime
) -> dict[str, Any]:
    uptimes = report.uptimes(intervals, now)
    return {
        "name": row.name,
        "kind": row.kind,
        "status": row.status,
        "since": row.status_since.isoformat(),
        "reason": row.reason,
        "detail": row.detail,
        "checked_at": row.checked_at.isoformat() if row.checked_at else None,
        "depends_on": list(row.depends_on),
        "hides": hidden.get(row.name, []),
        "uptime": {span: report.facts_of_uptime(one) for span, one in uptimes.items()},
        "sla": report.facts_of_sla(_promised(row.name), uptimes),
    }


def _promised(name: str) -> float | None:
    target = get_targets().by_name.get(name)
    return target.sla if target else None


def _flat(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts as a row of a table."""
    uptimes = {f"uptime_{span}": one["ratio"] for span, one in facts["uptime"].items()}
    names = {key: " ".join(facts[key]) for key in ("depends_on", "hides")}
    sla = {f"sla_{name}": value for name, value in (facts["sla"] or report.NO_SLA).items()}
    flat = {**facts, **names, **uptimes, **sla}
    return {key: value for key, value in flat.items() if key not in {"uptime", "sla"}}
