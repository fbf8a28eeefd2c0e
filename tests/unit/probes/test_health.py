"""What a result is worth, given its age: too old is never a silent pass."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.target_of import configured

from watchfleet.model import Status
from watchfleet.probes.health import Assessment, Check, Grade, assess, overdue, worst

CHECKED_AT = 1_000_000.0
UP = Check(Status.UP, "", 0.01, CHECKED_AT, "", 5.0, required=False)


@pytest.mark.parametrize(
    ("status", "reason", "age", "if_required", "if_not"),
    [
        (Status.UP, "", 0, "pass", "pass"),
        (Status.UP, "", 15, "pass", "pass"),
        (Status.UP, "", 15.1, "warn", "warn"),
        (Status.UP, "", 30.1, "fail", "warn"),
        (Status.DEGRADED, "slow", 0, "warn", "warn"),
        (Status.DOWN, "timeout", 0, "fail", "warn"),
        (Status.DOWN, "timeout", 100, "fail", "warn"),
        (Status.UNKNOWN, "probe_error", 0, "warn", "warn"),
        (Status.UNKNOWN, "starting", 0, "fail", "warn"),
        (Status.MAINTENANCE, "", 0, "pass", "pass"),
    ],
)
def test_grade(status: Status, reason: str, age: float, if_required: str, if_not: str) -> None:
    check = replace(UP, status=status, reason=reason)
    assert assess(replace(check, required=True), CHECKED_AT + age).grade == if_required
    assert assess(check, CHECKED_AT + age).grade == if_not


def test_the_grade_says_why() -> None:
    required = replace(UP, required=True)
    assert assess(None, CHECKED_AT) == Assessment(Grade.FAIL, "not_checked_yet")
    assert assess(required, CHECKED_AT + 31) == Assessment(Grade.FAIL, "result_lost")
    assert assess(required, CHECKED_AT + 16) == Assessment(Grade.WARN, "result_stale")
    assert assess(replace(UP, status=Status.DOWN, reason="timeout"), CHECKED_AT).reason == "timeout"


def test_the_worst_wins() -> None:
    assert worst([]) is Grade.PASS
    assert worst([Grade.PASS, Grade.FAIL, Grade.WARN]) is Grade.FAIL
    assert worst([Grade.PASS, Grade.WARN]) is Grade.WARN


def test_overdue_are_those_without_a_result_of_their_interval() -> None:
    own = configured().own()
    checks = {"disk": replace(UP, checked_at=CHECKED_AT), "memory": replace(UP, checked_at=CHECKED_AT - 4)}
    slack = timedelta(seconds=2)
    assert [target.name for target in overdue(own, checks, CHECKED_AT + 4, slack)] == ["memory"]
    assert [target.name for target in overdue(own, {}, CHECKED_AT, slack)] == ["disk", "memory"]
