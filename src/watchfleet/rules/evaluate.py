"""Evaluate the rules: observations in; states, events and notifications out, in one transaction."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from watchfleet.db.locks import Lock, wait_lock
from watchfleet.model import AlertFacts, AlertState
from watchfleet.notify import pipeline
from watchfleet.notify.identity import fingerprint
from watchfleet.notify.incoming import Alert, of_rule
from watchfleet.notify.policy import Policy
from watchfleet.redact import redact
from watchfleet.rules import store
from watchfleet.rules.dependency_down import DependencyDown
from watchfleet.rules.plan import Change, by_identity, changes
from watchfleet.rules.raised import Raised
from watchfleet.rules.rule import Rule
from watchfleet.rules.state import Condition, Reason

logger = logging.getLogger(__name__)

RULES: Final[tuple[Rule, ...]] = (DependencyDown(), Raised())
_NOT_WATCHED: Final = "The configuration does not name it any more; whether it is well is not known."


@dataclass(slots=True)
class Evaluation:
    """What one evaluation did.

    Attributes:
        transitions: The alerts that changed their state.
        wake: The channels that have something to send once the transaction has committed.
        failed: The error of each rule that could not be evaluated; its alerts keep their state.
    """

    transitions: tuple[Change, ...] = ()
    wake: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)


def evaluate(
    connection: Connection, now: datetime, policy: Policy, rules: Sequence[Rule] = RULES
) -> Evaluation:
    """Evaluate every rule and write what follows from it, in the caller's transaction.

    Holds `Lock.RULES` until the transaction ends, so that two evaluators act one after the other, each on
    what the other has left. A rule that fails leaves its alerts as they are and the other rules alone.

    Args:
        connection: In a transaction.
        now: The time of the evaluation.
        policy: Who is told of what.
        rules: The rules.
    """
    wait_lock(connection, Lock.RULES)
    evaluation = Evaluation()
    for rule in rules:
        try:
            with connection.begin_nested():
                transitions, told = evaluate_rule(connection, rule, now, policy)
        except Exception as error:
            if connection.invalidated:
                raise
            logger.exception("rule %s failed; its alerts keep their state", rule.name)
            evaluation.failed[rule.name] = redact(f"{type(error).__name__}: {error}")
        else:
            evaluation.transitions += transitions
            evaluation.wake = tuple(dict.fromkeys(evaluation.wake + told))
    return evaluation


def evaluate_rule(
    connection: Connection, rule: Rule, now: datetime, policy: Policy
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Evaluate one rule; returns the transitions and the channels that are told of them."""
    observations = rule.observe(connection, now)
    true = [fingerprint(each.labels) for each in observations if each.condition is Condition.TRUE]
    known = store.load(connection, rule.name, true)
    store.mark_evaluated(connection, rule.name, now)
    transitions: list[Change] = []
    for change in changes(rule, known, by_identity(observations), now):
        alert_id = store.save(connection, rule.name, change)
        if change.after is not change.before:
            transitions.append(change)
            store.add_event(connection, alert_id, change)
    news = [alert for change in transitions for alert in _news(change)]
    return tuple(transitions), pipeline.submit(connection, policy, news, now)


def _news(change: Change) -> Iterator[Alert]:
    """What notifications hear of a change: that an alert fires, or does not any more."""
    alert, fired_at = change.alert, change.alert.standing.fired_at
    if fired_at is None or change.after not in {AlertState.FIRING, AlertState.RESOLVED}:
        return
    annotations = dict(alert.annotations)
    if change.reason is Reason.NOT_WATCHED:
        annotations["description"] = _NOT_WATCHED
    facts = AlertFacts(
        labels=dict(alert.labels),
        annotations=annotations,
        status="firing" if change.after is AlertState.FIRING else "resolved",
        starts_at=fired_at,
        ends_at=alert.standing.resolved_at,
        fingerprint=change.fingerprint,
    )
    yield of_rule(facts, change.at)
