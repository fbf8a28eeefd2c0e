"""The rules as they stand: what the files and the operators say, how they went, and their alerts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from watchfleet.db.tables import alert
from watchfleet.model import AlertState
from watchfleet.rules import group_state
from watchfleet.rules.group_state import GroupState, RuleState
from watchfleet.rules.library import Library
from watchfleet.rules.overrides import overrides
from watchfleet.rules.prepared import PreparedGroup, PreparedRule
from watchfleet.rules.presence import is_about_absence
from watchfleet.rules.stages import selectors
from watchfleet.rules.state import RESOLVED_FOR

_ACTIVE = (AlertState.PENDING, AlertState.FIRING)


class Health(StrEnum):
    """How a rule's last evaluation went, in Prometheus's words."""

    OK = "ok"
    ERROR = "err"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ListedRule:
    """One rule.

    Attributes:
        rule: The rule.
        state: How its last evaluation went; None if there was none.
        alerts: Its rows in the store: active alerts, and those that were resolved lately.
    """

    rule: PreparedRule
    state: RuleState | None
    alerts: "Sequence[Row[Any]]"

    @property
    def health(self) -> Health:
        """How its last evaluation went."""
        if self.state is None:
            return Health.UNKNOWN
        return Health.ERROR if self.state.error else Health.OK

    @property
    def is_dead(self) -> bool:
        """Whether it cannot ever fire or record anything: its selectors match no series at all."""
        if self.state is None or self.state.error or self.state.series or not self.rule.enabled:
            return False
        expression = self.rule.rule.expr
        return any(True for _ in selectors(expression.root)) and not is_about_absence(expression)

    @property
    def active(self) -> "list[Row[Any]]":
        """Its pending and firing alerts."""
        return [row for row in self.alerts if row.state in _ACTIVE]

    @property
    def shown_state(self) -> str:
        """`firing`, `pending` or `inactive`: the gravest of its alerts."""
        states = {row.state for row in self.active}
        return next((state for state in ("firing", "pending") if state in states), "inactive")


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """One group.

    Attributes:
        group: The group.
        state: How its last evaluation went.
        rules: Its rules.
    """

    group: PreparedGroup
    state: GroupState
    rules: tuple[ListedRule, ...]


def listed(connection: Connection, library: Library, now: datetime) -> list[ListedGroup]:
    """Every group, in the order of the files."""
    states = group_state.load_all(connection)
    by_rule: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in _alerts(connection, now):
        by_rule[row.rule].append(row)
    return [
        _listed(group, states.get(group.key, GroupState()), by_rule)
        for group in library.prepared(overrides(connection))
    ]


def active_alerts(connection: Connection) -> "Sequence[Row[Any]]":
    """Every alert that is pending or fires, the oldest first."""
    return connection.execute(
        select(alert).where(alert.c.state.in_(_ACTIVE)).order_by(alert.c.active_at, alert.c.id)
    ).all()


def late_by(group: ListedGroup, now: datetime) -> timedelta:
    """How long ago the group should have been evaluated; zero while it is not late."""
    if group.state.evaluated_at is None:
        return timedelta(0)
    return max(timedelta(0), now - group.state.evaluated_at - group.group.interval)


def _listed(group: PreparedGroup, state: GroupState, by_rule: "dict[str, list[Row[Any]]]") -> ListedGroup:
    rules = tuple(
        ListedRule(rule, state.rules.get(rule.key), by_rule.get(rule.key, [])) for rule in group.rules
    )
    return ListedGroup(group, state, rules)


def _alerts(connection: Connection, now: datetime) -> "Sequence[Row[Any]]":
    lately = and_(alert.c.state == AlertState.RESOLVED, alert.c.resolved_at > now - RESOLVED_FOR)
    return connection.execute(
        select(alert).where(or_(alert.c.state.in_(_ACTIVE), lately)).order_by(alert.c.active_at, alert.c.id)
    ).all()
