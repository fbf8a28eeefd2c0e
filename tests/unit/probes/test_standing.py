"""What a target counts as, check by check."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from watchfleet.model import ProbeResult, Severity, Status
from watchfleet.probes.probe import Options, Target
from watchfleet.probes.standing import Standing, after

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
NEW = Standing(Status.UNKNOWN, START)
LETTERS = {
    "u": Status.UP,
    "d": Status.DOWN,
    "s": Status.DEGRADED,
    "?": Status.UNKNOWN,
    "m": Status.MAINTENANCE,
}


def target(**fields: Any) -> Target:
    ten = timedelta(seconds=10)
    return Target("shop", "http", ten, ten, None, {}, Severity.CRITICAL, False, False, Options(), **fields)


def at(place: int) -> datetime:
    return START + timedelta(seconds=10 * place)


def result(status: Status, place: int) -> ProbeResult:
    return ProbeResult("shop", status, "" if status is Status.UP else "timeout", 0.1, at(place))


def course(checks: str, standing: Standing = NEW, **fields: Any) -> list[Standing]:
    """Where a target stands after each of some checks, a letter each."""
    found = []
    for place, letter in enumerate(checks):
        standing = after(standing, target(**fields), result(LETTERS[letter], place), ())
        found.append(standing)
    return found


def told(checks: str, **fields: Any) -> list[tuple[str, int]]:
    return [(one.status.value, one.failures) for one in course(checks, **fields)]


@pytest.mark.parametrize(
    ("fields", "checks", "expected"),
    [
        ({}, "udu", [("up", 0), ("down", 1), ("up", 0)]),
        ({"retries": 2}, "uddd", [("up", 0), ("up", 0), ("up", 0), ("down", 3)]),
        ({"retries": 2}, "uddudd", [("up", 0)] * 6),
        ({"retries": 1}, "dd", [("unknown", 0), ("down", 2)]),
        ({"retries": 1}, "sdd", [("degraded", 0), ("degraded", 0), ("down", 2)]),
        ({"successes": 2}, "duduu", [("down", 1), ("down", 1), ("down", 2), ("down", 2), ("up", 0)]),
        ({"successes": 3}, "ud", [("up", 0), ("down", 1)]),
        ({"successes": 2}, "ds", [("down", 1), ("down", 1)]),
        ({"successes": 2}, "dss", [("down", 1), ("down", 1), ("degraded", 0)]),
        ({}, "d?d", [("down", 1), ("unknown", 1), ("down", 2)]),
        ({"retries": 1}, "ud?d", [("up", 0), ("up", 0), ("unknown", 0), ("down", 2)]),
        (
            {"retries": 1},
            "uddmdd",
            [("up", 0), ("up", 0), ("down", 2), ("maintenance", 0), ("unknown", 0), ("down", 2)],
        ),
    ],
)
def test_checks_count_by_retries_and_successes(
    fields: dict[str, Any], checks: str, expected: list[tuple[str, int]]
) -> None:
    assert told(checks, **fields) == expected


def test_a_standing_tells_since_when_and_why() -> None:
    up, failing, *_, last = course("uddd", retries=1)
    assert (failing.status, failing.reason, failing.since) == (Status.UP, "timeout", at(0))
    assert (last.status, last.since, last.failing_since, last.checked_at) == (
        Status.DOWN,
        at(2),
        at(1),
        at(3),
    )
    assert (up.reason, up.failing_since) == ("", None)


PARENTS = {
    "failing": Standing(Status.DOWN, START, failures=1, checked_at=at(0)),
    "failing once": Standing(Status.UP, START, excused=1, checked_at=at(0)),
    "hidden itself": Standing(Status.UNKNOWN, START, "dependency_down", checked_at=at(0)),
    "maintained": Standing(Status.MAINTENANCE, START, checked_at=at(0)),
}


@pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS)
def test_a_parent_in_trouble_hides_failures_and_nothing_else(parent: Standing) -> None:
    parents = [("well", Standing(Status.UP, START, checked_at=at(9))), ("db", parent)]
    failed = after(NEW, target(), result(Status.DOWN, 1), parents)
    assert (failed.status, failed.reason, failed.failures) == (Status.UNKNOWN, "dependency_down", 0)
    assert failed.detail.startswith("db, which it depends on, is ")
    assert after(NEW, target(), result(Status.UP, 1), parents).status is Status.UP


def test_a_failure_counts_when_its_parents_were_found_well_after_it_began() -> None:
    known = Standing(Status.UP, START, checked_at=at(0))
    waiting = after(known, target(), result(Status.DOWN, 1), [("db", known)])
    assert (waiting.status, waiting.reason, waiting.failures) == (Status.UNKNOWN, "dependency_unchecked", 0)
    assert waiting.awaits_parents
    still = after(waiting, target(), result(Status.DOWN, 2), [("db", known)])
    assert (still.status, still.excused) == (Status.UNKNOWN, 2)
    well = Standing(Status.UP, START, checked_at=at(2))
    down = after(still, target(), result(Status.DOWN, 3), [("db", well)])
    assert (down.status, down.failures, down.failing_since) == (Status.DOWN, 3, at(1))


def test_what_was_down_by_itself_stays_so_when_a_parent_fails_later() -> None:
    (down,) = course("d")
    later = after(down, target(), result(Status.DOWN, 1), [("db", PARENTS["failing"])])
    assert (later.status, later.failures) == (Status.DOWN, 2)
