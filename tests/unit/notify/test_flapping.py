"""Flap damping."""

from datetime import UTC, datetime, timedelta

from watchfleet.notify.configuration import FlapDamping
from watchfleet.notify.flapping import flaps_until

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DAMPING = FlapDamping.model_validate({"changes": 4, "within": "10m", "quiet": "5m"})


def changes(*minutes_ago: float) -> list[datetime]:
    return [NOW - timedelta(minutes=minutes) for minutes in minutes_ago]


def test_few_changes_are_no_flapping() -> None:
    assert flaps_until(DAMPING, changes(1, 2, 3), NOW) is None
    assert flaps_until(DAMPING, [], NOW) is None
    assert flaps_until(None, changes(1, 2, 3, 4), NOW) is None


def test_many_changes_in_a_short_time_are_until_it_has_been_quiet() -> None:
    found = changes(1, 2, 3, 4)
    assert flaps_until(DAMPING, found, NOW) == NOW + timedelta(minutes=4)
    assert flaps_until(DAMPING, found, NOW + timedelta(minutes=4)) is None


def test_many_changes_over_a_long_time_are_none() -> None:
    assert flaps_until(DAMPING, changes(1, 5, 9, 12), NOW) is None


def test_what_flaps_goes_on_to_as_long_as_it_is_not_quiet() -> None:
    assert flaps_until(DAMPING, changes(4, 8.5, 13, 14, 15, 16), NOW) is not None
    assert flaps_until(DAMPING, changes(4, 9.5, 13, 14, 15, 16), NOW) is None
