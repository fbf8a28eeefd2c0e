"""The fleet's rules and alerts in the form of Prometheus's HTTP API."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row

from watchfleet.promql.format import format_json_value
from watchfleet.promql.labels import labels_of
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.source import matches
from watchfleet.rules.group_state import RuleState
from watchfleet.rules.library import Library
from watchfleet.rules.listing import ListedGroup, ListedRule, active_alerts, listed

_NEVER: Final = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rules are asked for; what is empty asks for all.

    Attributes:
        kind: `alert` or `record`.
        names: Names of rules.
        groups: Names of groups.
        files: Files.
        selectors: Matchers on the rules' own labels, of which one set must hold.
        with_alerts: Whether each rule comes with its alerts.
    """

    kind: str = ""
    names: Collection[str] = ()
    groups: Collection[str] = ()
    files: Collection[str] = ()
    selectors: Sequence[tuple[Matcher, ...]] = ()
    with_alerts: bool = True

    def has_group(self, group: ListedGroup) -> bool:
        """Whether rules of the group may be among those."""
        of = group.group.group
        return (not self.groups or of.name in self.groups) and (not self.files or str(of.file) in self.files)

    def has_rule(self, one: ListedRule) -> bool:
        """Whether the rule, of a group that may have some, is among those."""
        rule = one.rule.rule
        labels = labels_of(rule.labels)
        return (
            (not self.kind or rule.kind == self.kind)
            and (not self.names or rule.name in self.names)
            and (not self.selectors or any(matches(labels, matchers) for matchers in self.selectors))
        )


def alerts(connection: Connection) -> list[dict[str, Any]]:
    """The alerts that are pending or fire."""
    return [_alert(row) for row in active_alerts(connection)]


def groups(connection: Connection, library: Library, now: datetime, wanted: Wanted) -> list[dict[str, Any]]:
    """The groups that have rules which are asked for, each with those."""
    found = []
    for group in listed(connection, library, now):
        rules = [one for one in group.rules if wanted.has_rule(one)] if wanted.has_group(group) else []
        if rules:
            found.append(_group(group, rules, with_alerts=wanted.with_alerts))
    return found


def _group(group: ListedGroup, rules: Iterable[ListedRule], *, with_alerts: bool) -> dict[str, Any]:
    of = group.group.group
    return {
        "name": of.name,
        "file": str(of.file),
        "rules": [_rule(one, group, with_alerts=with_alerts) for one in rules if one.rule.enabled],
        "interval": group.group.interval.total_seconds(),
        "limit": of.limit,
        "evaluationTime": group.state.seconds,
        "lastEvaluation": _text(group.state.evaluated_at),
    }


def _rule(one: ListedRule, group: ListedGroup, *, with_alerts: bool) -> dict[str, Any]:
    rule, state = one.rule.rule, one.state or RuleState()
    facts: dict[str, Any] = {
        "name": rule.name,
        "query": str(rule.expr),
        "labels": dict(rule.labels),
        "health": str(one.health),
        "evaluationTime": state.seconds,
        "lastEvaluation": _text(group.state.evaluated_at if one.state else None),
    }
    if state.error:
        facts["lastError"] = state.error
    if not one.rule.alerts:
        return {**facts, "type": "recording"}
    return {
        "state": one.shown_state,
        **facts,
        "duration": rule.hold.total_seconds(),
        "keepFiringFor": rule.keep_firing.total_seconds(),
        "annotations": dict(rule.annotations),
        "alerts": [_alert(row) for row in one.active] if with_alerts else [],
        "type": "alerting",
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
