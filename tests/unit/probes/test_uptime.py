"""Uptime, against counting second by second."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfleet.model import Status
from watchfleet.probes.report import shown_length, shown_ratio
from watchfleet.probes.uptime import Uptime, total, uptime

START = datetime(2026, 11, 26, tzinfo=UTC)


class Part(NamedTuple):
    status: Status
    start: datetime
    end: datetime


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


PARTS = st.lists(st.tuples(st.sampled_from(Status), st.integers(0, 40), st.integers(0, 40)), max_size=8)


def laid_out(given_parts: list[tuple[Status, int, int]], begin: int) -> tuple[list[Part], dict[int, Status]]:
    """Parts one after the other, each after a pause; and the status of each second."""
    parts, seconds, now = [], {}, begin
    for status, pause, length in given_parts:
        now += pause
        parts.append(Part(status, at(now), at(now + length)))
        seconds |= dict.fromkeys(range(now, now + length), status)
        now += length
    return parts, seconds


@given(PARTS, st.integers(-60, 60), st.integers(0, 200))
def test_each_second_counts_once_for_what_it_was(
    given_parts: list[tuple[Status, int, int]], begin: int, length: int
) -> None:
    parts, seconds = laid_out(given_parts, begin)
    counted = [seconds.get(second, Status.UNKNOWN) for second in range(length)]
    found = uptime(parts, at(0), at(length))
    assert found.seconds == {status: counted.count(status) for status in Status}
    served = counted.count(Status.UP) + counted.count(Status.DEGRADED)
    judged = served + counted.count(Status.DOWN)
    assert found.ratio == (served / judged if judged else None)


@given(PARTS, st.integers(-60, 60), st.integers(0, 200), st.integers(0, 200))
def test_times_together_are_the_whole(
    given_parts: list[tuple[Status, int, int]], begin: int, cut: int, rest: int
) -> None:
    parts, _ = laid_out(given_parts, begin)
    both = [uptime(parts, at(0), at(cut)), uptime(parts, at(cut), at(cut + rest))]
    assert total(both) == uptime(parts, at(0), at(cut + rest))


@pytest.mark.parametrize(
    ("seconds", "ratio", "shown", "worst"),
    [
        ({}, None, "unknown", None),
        ({Status.MAINTENANCE: 5.0}, None, "unknown", Status.MAINTENANCE),
        ({Status.UP: 9.0, Status.DEGRADED: 1.0}, 1.0, "100 %", Status.DEGRADED),
        ({Status.UP: 99_999_999.0, Status.DOWN: 1.0}, 0.99999999, "99.999 %", Status.DOWN),
        ({Status.UP: 3.0, Status.DOWN: 1.0, Status.UNKNOWN: 96.0}, 0.75, "75 %", Status.DOWN),
    ],
)
def test_what_is_not_known_and_maintenance_count_for_nothing(
    seconds: dict[Status, float], ratio: float | None, shown: str, worst: Status | None
) -> None:
    found = Uptime({**dict.fromkeys(Status, 0.0), **seconds})
    assert (found.ratio, shown_ratio(found), found.worst) == (ratio, shown, worst)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59.6, "1 min"), (3_601, "1 h 1 s"), (90_061, "1 d 1 h"), (720, "12 min")],
)
def test_lengths_for_people(seconds: float, shown: str) -> None:
    assert shown_length(timedelta(seconds=seconds)) == shown


def test_maintenance_and_the_unknown_earn_no_downtime() -> None:
    seconds = {Status.UP: 900.0, Status.DEGRADED: 90.0, Status.DOWN: 10.0}
    found = Uptime({**seconds, Status.MAINTENANCE: 5000.0, Status.UNKNOWN: 70000.0})
    assert found.allowance(99) == pytest.approx(0)
    assert found.allowance(98) == pytest.approx(10)
    assert found.allowance(99.9) == pytest.approx(-9)
