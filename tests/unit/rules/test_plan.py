"""What an evaluation changes."""

from datetime import UTC, datetime, timedelta

import pytest

from watchfleet.model import AlertState
from watchfleet.rules.plan import Alert, Observation, active_after, by_identity, changes, identity
from watchfleet.rules.state import Condition, Standing, Timing

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LABELS = {"alertname": "A", "target": "shop"}
FIRING = Standing(AlertState.FIRING, NOW, NOW)


def test_the_same_labels_twice_are_an_error() -> None:
    with pytest.raises(ValueError, match="the same labels"):
        by_identity([Observation(LABELS, Condition.TRUE), Observation(dict(LABELS), Condition.FALSE)])


def test_what_was_never_true_leaves_no_trace() -> None:
    observed = by_identity([Observation(LABELS, Condition.FALSE)])
    assert list(changes(Timing(), {}, observed, NOW)) == []


def test_the_texts_and_the_value_are_those_of_when_it_was_true_last() -> None:
    key = identity(LABELS)
    known = {key: Alert(LABELS, {"summary": "down"}, FIRING, 1.0)}
    still = {key: Observation(LABELS, Condition.TRUE, 2.0, {"summary": "still down"})}
    (change,) = changes(Timing(), known, still, NOW)
    assert (change.alert.annotations, change.alert.value) == ({"summary": "still down"}, 2.0)
    assert not change.is_transition
    over = {key: Observation(LABELS, Condition.FALSE, 0.0, {"summary": "up again"})}
    (change,) = changes(Timing(), known, over, NOW)
    assert (change.alert.annotations, change.alert.value) == ({"summary": "down"}, 1.0)
    assert change.is_transition


def test_what_the_rule_says_nothing_of_stays() -> None:
    assert list(changes(Timing(), {identity(LABELS): Alert(LABELS, {}, FIRING)}, {}, NOW)) == []


def test_an_evaluation_that_comes_late_counts_from_the_latest_one() -> None:
    later = NOW + timedelta(seconds=30)
    key = identity(LABELS)
    known = {key: Alert(LABELS, {}, FIRING, evaluated_at=later)}
    (change,) = changes(Timing(), known, {key: Observation(LABELS, Condition.GONE)}, NOW)
    assert change.at == change.alert.evaluated_at == change.alert.standing.resolved_at == later


def test_a_clock_alone_is_a_change_but_no_transition() -> None:
    key = identity(LABELS)
    known = {key: Alert(LABELS, {}, FIRING)}
    timing = Timing(keep_firing=timedelta(minutes=1))
    (change,) = changes(timing, known, {key: Observation(LABELS, Condition.FALSE)}, NOW)
    assert change.before is change.after is AlertState.FIRING
    assert change.alert.standing.keep_firing_since == NOW


def test_active_alerts_are_counted_as_they_are_after_the_changes() -> None:
    other = {"alertname": "A", "target": "other"}
    known = {identity(LABELS): Alert(LABELS, {}, FIRING)}
    observed = by_identity([Observation(LABELS, Condition.FALSE), Observation(other, Condition.TRUE)])
    made = list(changes(Timing(hold=timedelta(minutes=1)), known, observed, NOW))
    assert active_after(known, []) == 1
    assert active_after(known, made) == 1
    assert active_after(known, made[1:]) == 2
