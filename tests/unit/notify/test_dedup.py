"""Whether a group has anything new to tell: the decision table of Alertmanager's needsUpdate."""

from datetime import UTC, datetime, timedelta

import pytest

from watchfleet.notify.dedup import Reason, Told, decide

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def told(firing: str, resolved: str = "", ago: timedelta = timedelta(minutes=5)) -> Told:
    return Told(frozenset(firing), frozenset(resolved), NOW - ago)


@pytest.mark.parametrize(
    ("last", "firing", "resolved", "reason"),
    [
        (None, "a", "", Reason.FIRST),
        (None, "", "a", Reason.NEVER_FIRED),
        (told("a"), "ab", "", Reason.NEW_FIRING),
        (told("ab"), "a", "", Reason.NOTHING_NEW),
        (told("ab"), "a", "b", Reason.NEW_RESOLVED),
        (told("a", "b"), "a", "b", Reason.NOTHING_NEW),
        (told("ab"), "", "ab", Reason.ALL_RESOLVED),
        (told("", "a"), "", "ab", Reason.NEVER_FIRED),
        (told("", "a"), "a", "", Reason.NEW_FIRING),
        (told("a", ago=HOUR), "a", "", Reason.NOTHING_NEW),
        (told("a", ago=HOUR + timedelta(seconds=1)), "a", "", Reason.REPEAT),
    ],
)
def test_the_decision(last: Told | None, firing: str, resolved: str, reason: Reason) -> None:
    assert decide(last, set(firing), set(resolved), HOUR, NOW) is reason


def test_a_receiver_that_hears_of_no_ends() -> None:
    assert decide(told("ab"), set("a"), set("b"), HOUR, NOW, send_resolved=False) is Reason.NOTHING_NEW
    # Written down all the same: else the next firing would be none that is new.
    assert decide(told("a"), set(), set("a"), HOUR, NOW, send_resolved=False) is Reason.ALL_RESOLVED


def test_an_acknowledgement_stops_repeats_and_nothing_else() -> None:
    old = told("a", ago=2 * HOUR)
    assert decide(old, set("a"), set(), HOUR, NOW, acknowledged=True) is Reason.ACKNOWLEDGED
    assert decide(old, set("ab"), set(), HOUR, NOW, acknowledged=True) is Reason.NEW_FIRING
    assert decide(old, set(), set("a"), HOUR, NOW, acknowledged=True) is Reason.ALL_RESOLVED
