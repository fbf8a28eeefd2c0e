"""The alert state machine, step by step."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfleet.model import AlertState
from watchfleet.rules.state import NEVER, Condition, Reason, Standing, Timing, shown_state, transition

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TRUE, FALSE, MISSING = Condition.TRUE, Condition.FALSE, Condition.MISSING
UNKNOWN, GONE, NEAR = Condition.UNKNOWN, Condition.GONE, Condition.NEAR


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def play(timing: Timing, *observations: tuple[float, Condition]) -> list[tuple[AlertState, Reason]]:
    """The state and reason after each observation at its second."""
    standing, found = NEVER, []
    for seconds, condition in observations:
        standing, reason = transition(standing, condition, timing, at(seconds))
        found.append((standing.state, reason))
    return found


def states(timing: Timing, *observations: tuple[float, Condition]) -> list[str]:
    return [str(state) for state, _ in play(timing, *observations)]


FOR_30 = Timing(hold=timedelta(seconds=30))
KEEP_30 = Timing(keep_firing=timedelta(seconds=30))


def test_without_a_hold_it_fires_at_the_first_true() -> None:
    assert play(Timing(), (0, TRUE)) == [(AlertState.FIRING, Reason.HELD)]


def test_with_a_hold_it_is_pending_first_and_fires_when_the_hold_is_reached_not_passed() -> None:
    assert play(FOR_30, (0, TRUE), (29, TRUE), (30, TRUE), (31, TRUE)) == [
        (AlertState.PENDING, Reason.CONDITION_TRUE),
        (AlertState.PENDING, Reason.WAITING),
        (AlertState.FIRING, Reason.HELD),
        (AlertState.FIRING, Reason.STILL_TRUE),
    ]


def test_over_the_pending_threshold_it_is_pending_until_it_is_over_the_other_or_under_both() -> None:
    assert play(Timing(), (0, NEAR), (90, NEAR), (91, TRUE), (92, NEAR), (93, NEAR), (94, FALSE)) == [
        (AlertState.PENDING, Reason.CONDITION_NEAR),
        (AlertState.PENDING, Reason.WAITING),
        (AlertState.FIRING, Reason.HELD),
        (AlertState.RESOLVED, Reason.CONDITION_FALSE),
        (AlertState.PENDING, Reason.CONDITION_NEAR),
        (AlertState.INACTIVE, Reason.CONDITION_FALSE),
    ]
    assert states(FOR_30, (0, NEAR), (20, TRUE), (30, NEAR), (31, TRUE)) == [*["pending"] * 3, "firing"]
    assert states(KEEP_30, (0, TRUE), (10, NEAR), (39, NEAR), (40, NEAR)) == [*["firing"] * 3, "resolved"]


def test_a_pending_alert_that_goes_false_starts_over() -> None:
    assert states(FOR_30, (0, TRUE), (20, FALSE), (25, TRUE), (50, TRUE), (55, TRUE)) == [
        "pending",
        "inactive",
        "pending",
        "pending",
        "firing",
    ]


def test_a_firing_alert_resolves_at_the_first_false() -> None:
    standing, _ = transition(NEVER, TRUE, Timing(), at(0))
    resolved, reason = transition(standing, FALSE, Timing(), at(60))
    assert reason is Reason.CONDITION_FALSE
    assert (resolved.active_at, resolved.fired_at, resolved.resolved_at) == (at(0), at(0), at(60))


def test_it_keeps_firing_for_its_time_from_the_first_false_and_any_true_starts_that_over() -> None:
    assert play(KEEP_30, (0, TRUE), (10, FALSE), (39, FALSE), (40, FALSE))[1:] == [
        (AlertState.FIRING, Reason.KEPT_FIRING),
        (AlertState.FIRING, Reason.KEPT_FIRING),
        (AlertState.RESOLVED, Reason.CONDITION_FALSE),
    ]
    assert states(KEEP_30, (0, TRUE), (10, FALSE), (39, TRUE), (40, FALSE), (69, FALSE), (70, FALSE)) == [
        *["firing"] * 5,
        "resolved",
    ]


def test_keep_firing_is_for_firing_alerts_alone() -> None:
    timing = Timing(hold=timedelta(seconds=30), keep_firing=timedelta(seconds=30))
    assert states(timing, (0, TRUE), (10, FALSE)) == ["pending", "inactive"]


def test_a_resolved_alert_stays_so_and_can_fire_anew() -> None:
    assert states(Timing(), (0, TRUE), (10, FALSE), (20, FALSE), (30, TRUE)) == [
        "firing",
        "resolved",
        "resolved",
        "firing",
    ]
    first, _ = transition(NEVER, TRUE, Timing(), at(0))
    resolved, _ = transition(first, FALSE, Timing(), at(10))
    again, _ = transition(resolved, TRUE, Timing(), at(30))
    assert (again.active_at, again.fired_at, again.resolved_at) == (at(30), at(30), None)


WAITS = Timing(missing=timedelta(seconds=15))


def test_a_series_that_is_missing_is_waited_for_and_any_data_starts_that_over() -> None:
    assert play(WAITS, (0, TRUE), (15, MISSING), (30, MISSING))[1:] == [
        (AlertState.FIRING, Reason.SERIES_AWAITED),
        (AlertState.RESOLVED, Reason.MISSING_SERIES),
    ]
    assert (
        states(WAITS, (0, TRUE), (15, MISSING), (20, MISSING), (25, TRUE), (30, MISSING), (40, MISSING))
        == ["firing"] * 6
    )
    held = Timing(hold=timedelta(seconds=60), missing=timedelta(seconds=15))
    assert play(held, (0, TRUE), (15, MISSING), (30, MISSING))[1:] == [
        (AlertState.PENDING, Reason.SERIES_AWAITED),
        (AlertState.INACTIVE, Reason.MISSING_SERIES),
    ]


def test_a_missing_series_fires_on_for_as_long_as_a_false_one() -> None:
    timing = Timing(keep_firing=timedelta(seconds=60), missing=timedelta(seconds=15))
    assert states(timing, (0, TRUE), (15, MISSING), (30, MISSING), (74, MISSING), (75, MISSING)) == [
        *["firing"] * 4,
        "resolved",
    ]


def test_what_was_resolved_is_shown_so_for_a_quarter_of_an_hour() -> None:
    shown = [shown_state(AlertState.RESOLVED, at(0), at(minutes * 60)) for minutes in (0, 15, 16)]
    assert [str(state) for state in shown] == ["resolved", "resolved", "inactive"]
    assert shown_state(AlertState.FIRING, None, at(0)) is AlertState.FIRING


@pytest.mark.parametrize(("before", "after"), [("pending", "inactive"), ("firing", "resolved")])
def test_what_is_not_watched_any_more_ends_with_that_reason(before: str, after: str) -> None:
    standing = Standing(AlertState(before), at(0), at(0) if before == "firing" else None)
    ended, reason = transition(standing, GONE, KEEP_30, at(10))
    assert (ended.state, reason) == (AlertState(after), Reason.NOT_WATCHED)


observations = st.lists(st.tuples(st.floats(0, 100), st.sampled_from(Condition)), max_size=30)
timings = st.builds(
    Timing,
    hold=st.integers(0, 60).map(lambda seconds: timedelta(seconds=seconds)),
    keep_firing=st.integers(0, 60).map(lambda seconds: timedelta(seconds=seconds)),
)


@given(observations, timings)
def test_whatever_happens_no_data_changes_nothing_and_only_firing_resolves(
    steps: list[tuple[float, Condition]], timing: Timing
) -> None:
    standing, now = NEVER, START
    for pause, condition in steps:
        now += timedelta(seconds=pause)
        after, _ = transition(standing, condition, timing, now)
        if condition is UNKNOWN:
            assert after == standing
        if after.state is AlertState.RESOLVED and standing.state is not AlertState.RESOLVED:
            assert standing.state is AlertState.FIRING
            assert condition in {NEAR, FALSE, MISSING, GONE, Condition.DISABLED}
        if condition is NEAR and standing.state is not AlertState.FIRING:
            assert after.state is AlertState.PENDING
        if after.state is AlertState.FIRING:
            assert after.active_at is not None
            assert after.fired_at is not None
            assert after.fired_at - after.active_at >= timing.hold
        standing = after


@given(observations, timings)
def test_observations_without_data_might_as_well_not_be(
    steps: list[tuple[float, Condition]], timing: Timing
) -> None:
    moments, now = [], 0.0
    for pause, condition in steps:
        now += pause
        moments.append((now, condition))
    known = [moment for moment in moments if moment[1] is not UNKNOWN]
    found = [state for state in play(timing, *moments) if state[1] is not Reason.NO_DATA]
    assert found == play(timing, *known)
