"""The rule that a dependency is down: the last two checks of a target failed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from watchfleet.db.tables import probe_target
from watchfleet.metrics.read import recent
from watchfleet.model import Status
from watchfleet.rules.rule import Observation
from watchfleet.rules.state import Condition, Timing

CHECKS: Final = 2
SLACK: Final = timedelta(seconds=30)
"""How much later than on schedule a check may be and still counts as one in a row."""


class DependencyDown:
    """Pending at a target's first failed check, firing at the second in a row, resolved by the next success.

    The samples of `probe_success` decide; they are read only while some target's last check failed.
    """

    name = "DependencyDown"
    timing = Timing(checks=CHECKS)
    unobserved = Condition.GONE

    def observe(self, connection: Connection, now: datetime) -> Sequence[Observation]:
        """Say of every configured target whether its last check failed, and how many did in a row."""
        targets = connection.execute(select(probe_target)).all()
        failing = [target for target in targets if target.failures]
        points = _points(connection, failing, now)
        return [_observation(self.name, target, points, now) for target in targets]


Points = Mapping[tuple[str, str], Sequence[tuple[datetime, float]]]
"""Samples by target and kind, ordered by time."""


def _points(connection: Connection, targets: "Sequence[Row[Any]]", now: datetime) -> Points:
    if not targets:
        return {}
    since = now - max(_window(target) for target in targets)
    points: dict[tuple[str, str], list[tuple[datetime, float]]] = defaultdict(list)
    for series in recent(connection, "probe_success", since):
        points[series.labels.get("target", ""), series.labels.get("kind", "")] += series.points
    return {key: sorted(found) for key, found in points.items()}


def _window(target: "Row[Any]") -> timedelta:
    return timedelta(seconds=target.interval_seconds) * (CHECKS + 1) + SLACK


def _observation(rule: str, target: "Row[Any]", points: Points, now: datetime) -> Observation:
    labels = {
        **target.labels,
        "alertname": rule,
        "target": target.name,
        "kind": target.kind,
        "severity": target.severity,
    }
    condition, checks = _condition(target, points, now)
    value = None if condition is Condition.UNKNOWN else float(condition is not Condition.TRUE)
    return Observation(labels, condition, value, checks, _annotations(target, condition, checks))


def _condition(target: "Row[Any]", points: Points, now: datetime) -> tuple[Condition, int]:
    if not target.failures:
        up = target.status in {Status.UP, Status.DEGRADED}
        return (Condition.FALSE if up else Condition.UNKNOWN), 0
    oldest = now - _window(target)
    values = [value for ts, value in points.get((target.name, target.kind), ()) if ts >= oldest]
    if not values:
        return Condition.UNKNOWN, 0
    failed = len(list(takewhile(lambda value: value == 0, reversed(values))))
    return (Condition.TRUE if failed else Condition.FALSE), failed


def _annotations(target: "Row[Any]", condition: Condition, checks: int) -> dict[str, str]:
    if condition is Condition.TRUE:
        cause = ": ".join(part for part in (target.reason, target.detail) if part)
        return {
            "summary": f"{target.name} is down",
            "description": f"{checks} checks in a row failed ({target.kind}). {cause}".strip(),
        }
    if condition is Condition.FALSE:
        return {
            "summary": f"{target.name} is up again",
            "description": f"Its last check succeeded ({target.kind}).",
        }
    return {}
