"""Where each group stands: when it was evaluated last, and how that went for each of its rules."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select, text

from watchfleet.db.tables import rule_group

_SAVE: Final = text(
    "INSERT INTO rule_group AS old"
    " (key, interval_seconds, evaluated_at, seconds, evaluations, skipped, rules)"
    " SELECT key, interval_seconds, evaluated_at, seconds, evaluations, skipped, rules"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (key text, interval_seconds float8,"
    " evaluated_at timestamptz, seconds float8, evaluations bigint, skipped bigint, rules jsonb)"
    " ON CONFLICT (key) DO UPDATE SET interval_seconds = excluded.interval_seconds,"
    " evaluated_at = excluded.evaluated_at, seconds = excluded.seconds,"
    " evaluations = old.evaluations + excluded.evaluations,"
    " skipped = old.skipped + excluded.skipped, rules = excluded.rules"
)


@dataclass(frozen=True, slots=True)
class RuleState:
    """How a rule's last evaluation went.

    Attributes:
        seconds: How long it took.
        error: Why it failed; empty if it did not.
        series: How many series its selectors match, with samples or without.
        data_at: When it last had data, in Unix seconds; None if never.
    """

    seconds: float = 0.0
    error: str = ""
    series: int = 0
    data_at: float | None = None

    @property
    def health(self) -> str:
        """`ok` or `err`, in Prometheus's words."""
        return "err" if self.error else "ok"


@dataclass(frozen=True, slots=True)
class GroupState:
    """Where a group stands.

    Attributes:
        evaluated_at: The time of its last evaluation; None if it has not been evaluated yet.
        seconds: How long that took.
        evaluations: How many there were.
        skipped: How many times were let pass.
        rules: How it went for each rule, by the rule's key.
    """

    evaluated_at: datetime | None = None
    seconds: float = 0.0
    evaluations: int = 0
    skipped: int = 0
    rules: Mapping[str, RuleState] = field(default_factory=dict)


def load_all(connection: Connection) -> dict[str, GroupState]:
    """Where each group stands, by its key; also groups that are no more."""
    return {row.key: _state(row) for row in connection.execute(select(rule_group))}


def load_some(connection: Connection, keys: Collection[str]) -> dict[str, GroupState]:
    """Where some groups stand, by key."""
    rows = connection.execute(select(rule_group).where(rule_group.c.key.in_(keys)))
    return {row.key: _state(row) for row in rows}


def evaluated(connection: Connection) -> dict[str, datetime]:
    """When each group was evaluated last."""
    rows = connection.execute(select(rule_group.c.key, rule_group.c.evaluated_at))
    return {row.key: row.evaluated_at for row in rows}


def save(connection: Connection, intervals: Mapping[str, float], states: Mapping[str, GroupState]) -> None:
    """Write down evaluations, by the key of the group; `evaluations` and `skipped` are what they add.

    Args:
        connection: The evaluations' transaction.
        intervals: How often each group is evaluated, in seconds.
        states: Where each group stands.
    """
    rows = [_row(key, intervals[key], state) for key, state in states.items()]
    connection.execute(_SAVE, {"rows": json.dumps(rows)})


def forget(connection: Connection, keys: Iterable[str]) -> None:
    """Drop groups that are no more."""
    connection.execute(rule_group.delete().where(rule_group.c.key.in_(list(keys))))


def _row(key: str, interval: float, state: GroupState) -> dict[str, Any]:
    return {
        "key": key,
        "interval_seconds": interval,
        "evaluated_at": state.evaluated_at.isoformat() if state.evaluated_at else None,
        "seconds": state.seconds,
        "evaluations": state.evaluations,
        "skipped": state.skipped,
        "rules": {name: _facts(one) for name, one in state.rules.items()},
    }


def _state(row: "Row[Any]") -> GroupState:
    rules = {key: _rule_state(facts) for key, facts in row.rules.items()}
    return GroupState(row.evaluated_at, row.seconds, row.evaluations, row.skipped, rules)


def _rule_state(facts: Mapping[str, Any]) -> RuleState:
    """What another version of the fleet wrote beside is left out."""
    known = {one.name for one in fields(RuleState)}
    return RuleState(**{name: value for name, value in facts.items() if name in known})


def _facts(state: RuleState) -> dict[str, Any]:
    facts = asdict(state)
    return facts | {"seconds": round(state.seconds, 6)}
