"""What an evaluation changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from watchfleet.model import AlertState
from watchfleet.rules.plan import Alert, by_identity, changes, identity
from watchfleet.rules.rule import Observation
from watchfleet.rules.state import Condition, Reason, Standing, Timing

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LABELS = {"alertname": "A", "target": "shop"}
FIRING = Standing(AlertState.FIRING, NOW, NOW)


@dataclass
class FixedRule:
    name: str = "A"
    timing: Timing = field(default_factory=Timing)
    unobserved: Condition = Condition.GONE

    def observe(self, connection: Connection, now: datetime) -> Sequence[Observation]:
        return []


def test_the_same_labels_twice_are_an_error() -> None:
    with pytest.raises(ValueError, match="the same labels"):
        by_identity([Observation(LABELS, Condition.TRUE), Observation(dict(LABELS), Condition.FALSE)])


def test_what_was_never_true_leaves_no_trace() -> None:
    observed = by_identity([Observation(LABELS, Condition.FALSE)])
    assert list(changes(FixedRule(), {}, observed, NOW)) == []


def test_the_texts_of_the_observation_win_and_those_of_before_are_kept_without() -> None:
    key = identity(LABELS)
    known = {key: Alert(LABELS, {"summary": "down"}, FIRING)}
    spoken = {key: Observation(LABELS, Condition.FALSE, annotations={"summary": "up again"})}
    (change,) = changes(FixedRule(), known, spoken, NOW)
    assert change.alert.annotations == {"summary": "up again"}
    (change,) = changes(FixedRule(), known, {}, NOW)
    assert (change.alert.annotations, change.reason) == ({"summary": "down"}, Reason.NOT_WATCHED)


def test_the_rule_says_what_its_silence_means() -> None:
    known = {identity(LABELS): Alert(LABELS, {}, FIRING)}
    assert list(changes(FixedRule(unobserved=Condition.UNKNOWN), known, {}, NOW)) == []
    (change,) = changes(FixedRule(unobserved=Condition.FALSE), known, {}, NOW)
    assert change.reason is Reason.CONDITION_FALSE


def test_an_evaluation_that_comes_late_counts_from_the_latest_one() -> None:
    later = NOW + timedelta(seconds=30)
    known = {identity(LABELS): Alert(LABELS, {}, FIRING, evaluated_at=later)}
    (change,) = changes(FixedRule(), known, {}, NOW)
    assert change.at == change.alert.evaluated_at == change.alert.standing.resolved_at == later


def test_a_clock_alone_is_a_change_but_no_transition() -> None:
    known = {identity(LABELS): Alert(LABELS, {}, FIRING)}
    rule = FixedRule(timing=Timing(keep_firing=timedelta(minutes=1)), unobserved=Condition.FALSE)
    (change,) = changes(rule, known, {}, NOW)
    assert change.before is change.after is AlertState.FIRING
    assert change.alert.standing.keep_firing_since == NOW
