"""Rules, states, events and outbox rows together, on a real store."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Connection, select, text, update
from support.outbox_rows import rows
from support.policies import policy_for
from support.probed import check, configure, remove

from watchfleet.db.engine import transaction
from watchfleet.db.tables import alert, alert_event, probe_target
from watchfleet.model import AlertState, Status
from watchfleet.notify.identity import fingerprint
from watchfleet.rules.dependency_down import DependencyDown
from watchfleet.rules.evaluate import Evaluation, evaluate
from watchfleet.rules.rule import Observation
from watchfleet.rules.state import Condition, Timing

pytestmark = pytest.mark.usefixtures("environment")
ALL = ("log", "webhook", "email", "slack", "sentry")
EVERYONE = policy_for(ALL)
START = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def run(seconds: float, channels: Sequence[str] = ALL) -> Evaluation:
    with transaction() as connection:
        return evaluate(connection, at(seconds), policy_for(channels))


def steps(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    return [(str(each.before), str(each.after), str(each.reason)) for each in evaluation.transitions]


def fire(name: str = "shop") -> None:
    """Bring a target down for two checks, at 5 and 10 seconds."""
    configure(name, at(0))
    check(name, at(5), ok=False)
    check(name, at(10), ok=False)
    assert steps(run(10)) == [("inactive", "firing", "condition_held")]


def test_down_for_two_checks_fires_and_the_next_success_resolves() -> None:
    configure("shop", at(0))
    check("shop", at(0), ok=True)
    assert steps(run(0)) == []
    check("shop", at(5), ok=False)
    assert steps(run(5)) == [("inactive", "pending", "condition_true")]
    assert rows() == []
    check("shop", at(10), ok=False)
    fired = run(10)
    assert steps(fired) == [("pending", "firing", "condition_held")]
    assert fired.wake == ALL
    check("shop", at(15), ok=False)
    assert steps(run(15)) == []
    check("shop", at(20), ok=True)
    resolved = run(20)
    assert steps(resolved) == [("firing", "resolved", "condition_false")]
    assert [(row.channel, row.message["status"]) for row in rows()] == [
        *((name, "firing") for name in ALL),
        *((name, "resolved") for name in ALL),
    ]


def test_a_single_failed_check_is_dropped_silently() -> None:
    configure("shop", at(0))
    check("shop", at(5), ok=False)
    run(5)
    check("shop", at(10), ok=True)
    assert steps(run(10)) == [("pending", "inactive", "condition_false")]
    assert rows() == []


def test_what_is_told_names_the_target_its_labels_and_the_cause() -> None:
    configure("shop", at(0), labels={"team": "web"}, severity="warning")
    check("shop", at(5), ok=False)
    check("shop", at(10), ok=False, reason="connection_refused")
    run(10)
    (row, _) = rows()
    message = row.message
    labels = {"alertname": "DependencyDown", "target": "shop", "kind": "http"}
    (told,) = message["alerts"]
    assert told["labels"] == {**labels, "severity": "warning", "team": "web"}
    assert told["annotations"]["summary"] == "shop is down"
    assert "connection_refused" in told["annotations"]["description"]
    assert told["fingerprint"] == fingerprint(told["labels"])
    assert message["delivery_id"] == row.delivery_id


@pytest.mark.parametrize(
    ("severity", "told"), [("info", ("log",)), ("warning", ("log", "slack")), ("critical", ALL)]
)
def test_severity_decides_who_is_told(severity: str, told: tuple[str, ...]) -> None:
    configure("shop", at(0), severity=severity)
    check("shop", at(5), ok=False)
    check("shop", at(10), ok=False)
    assert run(10).wake == told


def test_those_who_were_told_of_the_firing_are_told_of_the_end() -> None:
    configure("shop", at(0))
    check("shop", at(5), ok=False)
    check("shop", at(10), ok=False)
    run(10, ("log", "email"))
    check("shop", at(15), ok=True)
    assert run(15, ("log", "webhook")).wake == ("log", "email")


def test_it_can_fire_again() -> None:
    fire()
    check("shop", at(15), ok=True)
    run(15)
    check("shop", at(20), ok=False)
    check("shop", at(25), ok=False)
    assert steps(run(25)) == [("resolved", "firing", "condition_held")]
    assert len({row.delivery_id for row in rows()}) == len(rows()) == 3 * len(ALL)


def test_silence_resolves_nothing() -> None:
    fire()
    for seconds in range(15, 600, 45):
        assert steps(run(seconds)) == []


def test_old_failures_fire_nothing() -> None:
    configure("shop", at(0))
    check("shop", at(5), ok=False)
    check("shop", at(10), ok=False)
    assert steps(run(600)) == []


def test_each_target_has_its_own_idea_of_old() -> None:
    configure("yearly", at(0), interval_seconds=3600)
    configure("shop", at(0))
    for name in ("yearly", "shop"):
        check(name, at(5), ok=False)
        check(name, at(10), ok=False)
    fired = run(600)
    assert [change.alert.labels["target"] for change in fired.transitions] == ["yearly"]


def test_a_check_that_could_not_be_made_changes_nothing() -> None:
    fire()
    with transaction() as connection:
        connection.execute(update(probe_target).values(status=Status.UNKNOWN, failures=0))
    assert steps(run(15)) == []


def test_a_target_that_is_not_configured_any_more_resolves_with_that_reason() -> None:
    fire()
    fire("other")
    remove("shop")
    assert steps(run(15)) == [("firing", "resolved", "not_watched_any_more")]
    assert "configuration" in rows()[-1].message["alerts"][0]["annotations"]["description"]


def test_a_target_whose_labels_change_while_it_is_down_stays_told_of() -> None:
    fire()
    with transaction() as connection:
        connection.execute(update(probe_target).values(severity="warning"))
    assert sorted(steps(run(15))) == [
        ("firing", "resolved", "not_watched_any_more"),
        ("inactive", "firing", "condition_held"),
    ]


def test_two_evaluators_act_once() -> None:
    configure("shop", at(0))
    check("shop", at(5), ok=False)
    check("shop", at(10), ok=False)
    ready = Barrier(4)

    def race(_: int) -> int:
        ready.wait()
        return len(run(10).transitions)

    with ThreadPoolExecutor(4) as pool:
        counts = sorted(pool.map(race, range(4)))
    assert counts == [0, 0, 0, 1]
    assert len(rows()) == len(ALL)


def test_an_evaluation_that_fails_at_its_end_leaves_nothing_behind() -> None:
    configure("shop", at(0))
    check("shop", at(5), ok=False)
    check("shop", at(10), ok=False)
    with transaction() as connection, connection.begin_nested() as savepoint:
        assert steps(evaluate(connection, at(10), EVERYONE))
        savepoint.rollback()
    with transaction() as connection:
        assert connection.execute(select(alert)).all() == []
    assert rows() == []
    assert steps(run(10)) == [("inactive", "firing", "condition_held")]


class Failing:
    """A rule whose read fails in the store."""

    name = "Failing"
    timing = Timing()
    unobserved = Condition.FALSE

    def observe(self, connection: Connection, now: datetime) -> Sequence[Observation]:
        connection.execute(text("SELECT 1 / 0"))
        return []


class Twice:
    """A rule that observes two alerts of one identity."""

    name = "Twice"
    timing = Timing()
    unobserved = Condition.FALSE

    def observe(self, connection: Connection, now: datetime) -> Sequence[Observation]:
        return [Observation({"alertname": "Twice"}, Condition.TRUE)] * 2


def test_a_rule_that_fails_keeps_its_alerts_and_spares_the_others() -> None:
    fire()
    check("shop", at(15), ok=True)
    with transaction() as connection:
        connection.execute(update(alert).values(rule="Failing"))
        kept = evaluate(connection, at(15), EVERYONE, [Failing(), Twice()])
        assert "division by zero" in kept.failed["Failing"]
        assert "the same labels" in kept.failed["Twice"]
        assert kept.transitions == ()
        assert connection.scalar(select(alert.c.state)) == AlertState.FIRING
        connection.execute(update(alert).values(rule="DependencyDown"))
        done = evaluate(connection, at(15), EVERYONE, [Failing(), DependencyDown()])
    assert steps(done) == [("firing", "resolved", "condition_false")]


def test_every_transition_is_an_event_and_time_never_runs_backwards() -> None:
    fire()
    check("shop", at(15), ok=True)
    run(3)
    with transaction() as connection:
        events = connection.execute(select(alert_event).order_by(alert_event.c.id)).all()
    assert [(row.from_state, row.to_state) for row in events] == [
        ("inactive", "firing"),
        ("firing", "resolved"),
    ]
    assert events[1].at == events[0].at == at(10)
