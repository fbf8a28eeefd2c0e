"""What a target counts as, from its checks: a pure function of where it stood, a result and its parents."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from watchfleet.model import ProbeResult, Status
from watchfleet.probes.probe import Target
from watchfleet.probes.reasons import Reason

_SERVING: Final = (Status.UP, Status.DEGRADED)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a target stands.

    Attributes:
        status: What it counts as.
        since: Since when.
        reason: Why it is not up; also why a check failed that does not count yet.
        detail: One line for people.
        checked_at: When its last check began; None before the first.
        failures: Checks in a row that failed and count.
        excused: Checks in a row that failed and do not count: yet, or because of a parent.
        successes: Checks in a row that succeeded while it still counts as down.
        failing_since: When the first of the checks in a row began that failed.
    """

    status: Status
    since: datetime
    reason: str = ""
    detail: str = ""
    checked_at: datetime | None = None
    failures: int = 0
    excused: int = 0
    successes: int = 0
    failing_since: datetime | None = None

    @property
    def awaits_parents(self) -> bool:
        """Whether its failure counts only once its parents have been checked."""
        return self.reason == Reason.DEPENDENCY_UNCHECKED

    @property
    def hides_dependants(self) -> bool:
        """Whether what depends on it is expected to fail."""
        passed_on = self.status is Status.UNKNOWN and self.reason == Reason.DEPENDENCY_DOWN
        return bool(self.failures or self.excused) or passed_on or self.status is Status.MAINTENANCE


def after(
    before: Standing, target: Target, result: ProbeResult, parents: Sequence[tuple[str, Standing]]
) -> Standing:
    """Where a target stands after a check.

    A failed check makes it down when more than `retries` failed in a row, and a good one makes it up again
    after `successes` in a row. While a parent is failing or in maintenance, a failed check tells nothing of
    the target itself: it is unknown. Nor does it as long as a parent was not checked since the first failure.

    Args:
        before: Where it stood.
        target: The target.
        result: What the check found.
        parents: The name and the standing of each target that it depends on.
    """
    match result.status:
        case Status.MAINTENANCE:
            now = _standing(result)
        case Status.UNKNOWN:
            now = replace(
                _standing(result),
                failures=before.failures,
                excused=before.excused,
                failing_since=before.failing_since,
            )
        case Status.DOWN:
            now = _failed(before, target, result, parents)
        case _:
            now = _succeeded(before, target, result)
    return replace(now, since=before.since if now.status is before.status else result.checked_at)


def _failed(
    before: Standing, target: Target, result: ProbeResult, parents: Sequence[tuple[str, Standing]]
) -> Standing:
    since = before.failing_since or result.checked_at
    streak = before.failures + before.excused + 1
    failed = replace(_standing(result), failing_since=since)
    if before.failures:
        return replace(failed, failures=streak)
    for name, parent in parents:
        if parent.hides_dependants:
            state = "in maintenance" if parent.status is Status.MAINTENANCE else "failing"
            detail = f"{name}, which it depends on, is {state}"
            return replace(
                _standing(result), status=Status.UNKNOWN, reason=Reason.DEPENDENCY_DOWN, detail=detail
            )
    unchecked = [name for name, one in parents if one.checked_at is None or one.checked_at < since]
    if unchecked:
        detail = f"a check failed ({result.reason}); {', '.join(unchecked)} is being checked"
        return replace(
            failed,
            status=Status.UNKNOWN,
            reason=Reason.DEPENDENCY_UNCHECKED,
            detail=detail,
            excused=streak,
        )
    if streak <= target.retries:
        status = before.status if before.status in _SERVING else Status.UNKNOWN
        return replace(failed, status=status, excused=streak)
    return replace(failed, failures=streak)


def _succeeded(before: Standing, target: Target, result: ProbeResult) -> Standing:
    successes = before.successes + 1
    if not before.failures or successes >= target.successes:
        return _standing(result)
    return replace(
        _standing(result),
        status=Status.DOWN,
        reason=before.reason,
        detail=f"answers again, {successes} of {target.successes} times in a row",
        failures=before.failures,
        successes=successes,
        failing_since=before.failing_since,
    )


def _standing(result: ProbeResult) -> Standing:
    return Standing(result.status, result.checked_at, result.reason, result.detail, result.checked_at)
