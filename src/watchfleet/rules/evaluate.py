"""Evaluate the rules: observations in; states, events and notifications out, in one transaction."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from watchfleet.db.locks import Lock, wait_lock
from watchfleet.model import AlertFacts, AlertState, Destination, Message
from watchfleet.notify import outbox
from watchfleet.notify.identity import fingerprint, transition
from watchfleet.notify.message import alone
from watchfleet.notify.routing import route
from watchfleet.redact import redact
from watchfleet.rules import store
from watchfleet.rules.dependency_down import DependencyDown
from watchfleet.rules.plan import Change, by_identity, changes
from watchfleet.rules.rule import Rule
from watchfleet.rules.state import Condition, Reason

logger = logging.getLogger(__name__)

RULES: Final[tuple[Rule, ...]] = (DependencyDown(),)
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
    connection: Connection, now: datetime, destinations: Sequence[Destination], rules: Sequence[Rule] = RULES
) -> Evaluation:
    """Evaluate every rule and write what follows from it, in the caller's transaction.

    Holds `Lock.RULES` until the transaction ends, so that two evaluators act one after the other, each on
    what the other has left. A rule that fails leaves its alerts as they are and the other rules alone.

    Args:
        connection: In a transaction.
        now: The time of the evaluation.
        destinations: Everyone who may be told.
        rules: The rules.
    """
    wait_lock(connection, Lock.RULES)
    evaluation = Evaluation()
    for rule in rules:
        try:
            with connection.begin_nested():
                transitions, told = evaluate_rule(connection, rule, now, destinations)
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
    connection: Connection, rule: Rule, now: datetime, destinations: Sequence[Destination]
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Evaluate one rule; returns the transitions and the channels that are told of them."""
    observations = rule.observe(connection, now)
    true = [fingerprint(each.labels) for each in observations if each.condition is Condition.TRUE]
    known = store.load(connection, rule.name, true)
    store.mark_evaluated(connection, rule.name, now)
    transitions: list[Change] = []
    told: list[str] = []
    for change in changes(rule, known, by_identity(observations), now):
        alert_id = store.save(connection, rule.name, change)
        if change.after is not change.before:
            transitions.append(change)
            told += _tell(connection, alert_id, change, destinations)
    return tuple(transitions), tuple(told)


def _tell(
    connection: Connection, alert_id: int, change: Change, destinations: Sequence[Destination]
) -> tuple[str, ...]:
    """Write the event and, for firing and resolved, its notifications; returns the channels they are for."""
    event_id = store.add_event(connection, alert_id, change)
    fired_at = change.alert.standing.fired_at
    if fired_at is None or change.after not in {AlertState.FIRING, AlertState.RESOLVED}:
        return ()
    message = _message(change, fired_at)
    if change.after is AlertState.FIRING:
        receivers = route(message.severity, destinations)
    else:
        receivers = outbox.told(connection, alert_id, fired_at)
    at = fired_at if message.status == "firing" else change.alert.standing.resolved_at or change.at
    occasion = transition(change.fingerprint, message.status, at)
    return outbox.enqueue(connection, message, receivers, change.at, occasion=occasion, event_id=event_id)


def _message(change: Change, fired_at: datetime) -> Message:
    alert = change.alert
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
    return alone(facts, reason=change.reason)
