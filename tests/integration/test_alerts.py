"""The rule `DependencyDown`, from checks of a target to what people are told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from support.outbox_rows import rows
from support.probed import check, configure, remove_all
from support.ruled import evaluate_group, steps

from watchfleet.db.engine import transaction
from watchfleet.db.tables import alert_event, probe_target
from watchfleet.model import Status
from watchfleet.notify.identity import fingerprint
from watchfleet.rules.group import Due, Evaluation
from watchfleet.rules.library import get_library
from watchfleet.rules.vitals import observe

pytestmark = pytest.mark.usefixtures("environment")
ALL = ("log", "webhook", "email", "slack", "sentry")
START = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def run(seconds: float, channels: Sequence[str] = ALL) -> Evaluation:
    (group,) = (one for one in get_library().prepared({}) if one.group.name == "fleet")
    with transaction() as connection:
        done = evaluate_group(connection, Due(group, at(seconds)), channels)
    assert done is not None
    assert done.failed == {}
    return done


def fire(name: str = "shop") -> None:
    """Bring a target down for two checks, at 5 and 10 seconds."""
    configure(name, at(0))
    check(name, at(5), ok=False)
    check(name, at(10), ok=False)


def test_down_for_two_checks_fires_and_the_next_success_resolves() -> None:
    configure("shop", at(0))
    check("shop", at(0), ok=True)
    check("shop", at(5), ok=False)
    first = run(5)
    assert steps(first) == [("inactive", "pending", "over_pending_threshold")]
    assert first.wake == ()
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
    for seconds in (25, 30):
        check("shop", at(seconds), ok=False)
    assert steps(run(30)) == [("resolved", "firing", "condition_held")]
    assert len({row.delivery_id for row in rows()}) == len(rows()) == 3 * len(ALL)


def test_what_is_told_names_the_target_its_labels_and_the_cause() -> None:
    configure("shop", at(0), labels={"team": "web"}, severity="warning")
    check("shop", at(5), ok=False)
    check("shop", at(10), ok=False, reason="connection_refused")
    run(10)
    (row, _) = rows()
    (told,) = row.message["alerts"]
    labels = {"alertname": "DependencyDown", "target": "shop", "kind": "http"}
    assert told["labels"] == {**labels, "severity": "warning", "team": "web"}
    assert told["annotations"]["summary"] == "shop is down"
    assert told["annotations"]["description"] == "2 checks in a row failed (http): connection_refused."
    assert told["fingerprint"] == fingerprint(told["labels"])
    assert row.message["delivery_id"] == row.delivery_id


@pytest.mark.parametrize(
    ("severity", "told"), [("info", ("log",)), ("warning", ("log", "slack")), ("critical", ALL)]
)
def test_severity_decides_who_is_told(severity: str, told: tuple[str, ...]) -> None:
    configure("shop", at(0), severity=severity)
    check("shop", at(5), ok=False)
    check("shop", at(10), ok=False)
    assert run(10).wake == told


def test_those_who_were_told_of_the_firing_are_told_of_the_end() -> None:
    fire()
    run(10, ("log", "email"))
    check("shop", at(15), ok=True)
    assert run(15, ("log", "webhook")).wake == ("log", "email")


def test_silence_resolves_nothing_as_the_standing_is_kept() -> None:
    fire()
    assert steps(run(10)) == [("inactive", "firing", "condition_held")]
    with transaction() as connection:
        connection.execute(update(probe_target).values(status=Status.UNKNOWN))
    for seconds in range(60, 900, 60):
        with transaction() as connection:
            observe(connection, get_library(), at(seconds))
        assert steps(run(seconds)) == []


def test_a_target_that_is_seldom_checked_stays_told_of() -> None:
    configure("yearly", at(0), interval_seconds=3600)
    fire("shop")
    check("yearly", at(5), ok=False)
    check("yearly", at(10), ok=False)
    assert len(steps(run(10))) == 2
    check("shop", at(15), ok=True)
    assert len(steps(run(15))) == 1
    for seconds in range(60, 900, 60):
        with transaction() as connection:
            observe(connection, get_library(), at(seconds))
        assert steps(run(seconds)) == []


def test_a_target_that_is_not_configured_any_more_resolves_with_that_reason() -> None:
    fire()
    configure("other", at(0))
    check("other", at(10), ok=True)
    assert steps(run(10)) == [("inactive", "firing", "condition_held")]
    remove_all(at(12))
    configure("other", at(12))
    check("other", at(13), ok=True)
    assert steps(run(15)) == []
    assert steps(run(30)) == [("firing", "resolved", "missing_series")]


def test_every_transition_is_an_event() -> None:
    fire()
    run(10)
    check("shop", at(15), ok=True)
    run(15)
    with transaction() as connection:
        events = connection.execute(select(alert_event).order_by(alert_event.c.id)).all()
    assert [(row.from_state, row.to_state, row.at) for row in events] == [
        ("inactive", "firing", at(10)),
        ("firing", "resolved", at(15)),
    ]
