"""The fleet's rules and alerts in the form of Prometheus's HTTP API."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from watchfleet.db.tables import alert
from watchfleet.model import AlertState
from watchfleet.promql.format import format_json_value
from watchfleet.rules.evaluate import RULES
from watchfleet.rules.rule import Rule

GROUP: Final = "watchfleet"
"""The group of the rules that the fleet brings with it."""
_ACTIVE: Final = (AlertState.PENDING, AlertState.FIRING)
_NEVER: Final = "0001-01-01T00:00:00Z"


def alerts(connection: Connection) -> list[dict[str, Any]]:
    """The alerts that are pending or fire."""
    return [_alert(row) for row in _active(connection)]


def groups(connection: Connection) -> list[dict[str, Any]]:
    """The rules, each with its alerts."""
    by_rule: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in _active(connection):
        by_rule[row.rule].append(row)
    rules = [_rule(rule, by_rule[rule.name]) for rule in RULES]
    return [{"name": GROUP, "file": "", "interval": 0, "limit": 0, "rules": rules, **_evaluated(rules)}]


def _active(connection: Connection) -> "Sequence[Row[Any]]":
    return connection.execute(select(alert).where(alert.c.state.in_(_ACTIVE)).order_by(alert.c.id)).all()


def _rule(rule: Rule, active: "Sequence[Row[Any]]") -> dict[str, Any]:
    states = {row.state for row in active}
    last = max((row.evaluated_at for row in active), default=None)
    return {
        "type": "alerting",
        "name": rule.name,
        "query": "",  # it is no expression
        "state": next((state for state in ("firing", "pending") if state in states), "inactive"),
        "duration": rule.timing.hold.total_seconds(),
        "keepFiringFor": rule.timing.keep_firing.total_seconds(),
        "labels": {},
        "annotations": {},
        "alerts": [_alert(row) for row in active],
        "health": "ok" if last else "unknown",
        "evaluationTime": 0,
        "lastEvaluation": _text(last),
    }


def _evaluated(rules: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "evaluationTime": 0,
        "lastEvaluation": max((rule["lastEvaluation"] for rule in rules), default=_NEVER),
    }


def _alert(row: "Row[Any]") -> dict[str, Any]:
    found = {
        "labels": row.labels,
        "annotations": row.annotations,
        "state": row.state,
        "activeAt": _text(row.active_at),
        "value": "" if row.value is None else format_json_value(row.value),
    }
    if row.keep_firing_since is not None:
        found["keepFiringSince"] = _text(row.keep_firing_since)
    return found


def _text(at: datetime | None) -> str:
    return _NEVER if at is None else at.isoformat().replace("+00:00", "Z")
