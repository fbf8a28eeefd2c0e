"""The last result of every target, in the shared cache: what health endpoints answer from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from redis import Redis

from watchfleet.db.cache import PREFIX
from watchfleet.model import Measurement, ProbeResult, Status
from watchfleet.probes.probe import Target
from watchfleet.probes.reasons import Reason

KEY: Final = f"{PREFIX}health"
KEPT_SECONDS: Final = 86_400
STALE_AFTER: Final = 3
"""Intervals after which a result is no longer taken for the truth: a warning."""
LOST_AFTER: Final = 6
"""Intervals after which a required target without a newer result counts as down."""


@dataclass(frozen=True, slots=True)
class Check:
    """The last result of a target, as the cache keeps it.

    Attributes:
        status: What the check found.
        reason: Why it is not up; empty when up.
        duration: Seconds that it took.
        checked_at: When it began, in Unix seconds.
        detail: One line for people.
        interval: Seconds between two checks.
        required: Whether the fleet is not ready without it.
        kind: The kind of its probe.
        values: What else was measured.
        depends_on: Without which other targets it cannot serve.
    """

    status: Status
    reason: str
    duration: float
    checked_at: float
    detail: str
    interval: float
    required: bool
    kind: str = ""
    values: tuple[Measurement, ...] = ()
    depends_on: tuple[str, ...] = ()


_AS_GOOD_AS_DOWN: Final = (Reason.STARTING, Reason.DEPENDENCY_DOWN)


class Grade(StrEnum):
    """How well something is, in the words of the IETF's draft of a health format."""

    PASS = "pass"  # noqa: S105 - a grade
    WARN = "warn"
    FAIL = "fail"


_FIELDS: Final = tuple(field.name for field in fields(Check))


class Assessment(NamedTuple):
    """A grade and the named reason for it; empty for a pass."""

    grade: Grade
    reason: str


def check_of(target: Target, result: ProbeResult) -> Check:
    """What the cache keeps of a result."""
    return Check(
        result.status,
        result.reason,
        result.duration,
        result.checked_at.timestamp(),
        result.detail,
        target.interval.total_seconds(),
        target.required,
        target.kind,
        result.values,
        target.depends_on,
    )


def write(cache: Redis, checks: Mapping[str, Check]) -> None:
    """Put results into the cache.

    Raises:
        redis.RedisError: The cache does not answer.
    """
    if checks:
        pipeline = cache.pipeline(transaction=False)
        pipeline.hset(KEY, mapping={name: _encode(check) for name, check in checks.items()})
        pipeline.expire(KEY, KEPT_SECONDS)
        pipeline.execute()


def read(cache: Redis) -> dict[str, Check]:
    """Every result in the cache, by target; what another version wrote and we cannot read is left out.

    Raises:
        redis.RedisError: The cache does not answer.
    """
    checks = {str(name): _decode(text) for name, text in sorted(cache.hgetall(KEY).items())}
    return with_dependencies({name: check for name, check in checks.items() if check is not None})


def with_dependencies(checks: Mapping[str, Check]) -> dict[str, Check]:
    """The checks, with those that failed while something failed on which they depend as `unknown`."""
    return {name: _seen_through(check, checks) for name, check in checks.items()}


def _seen_through(check: Check, checks: Mapping[str, Check]) -> Check:
    failing = next((name for name in check.depends_on if name in checks and not _serves(checks[name])), None)
    if check.status is not Status.DOWN or failing is None:
        return check
    detail = f"{failing}, which it depends on, is {checks[failing].status}"
    return replace(check, status=Status.UNKNOWN, reason=Reason.DEPENDENCY_DOWN, detail=detail)


def _serves(check: Check) -> bool:
    return check.status not in {Status.DOWN, Status.MAINTENANCE}


def forget_others(cache: Redis, names: Iterable[str]) -> None:
    """Remove the results of targets that are configured no more.

    Raises:
        redis.RedisError: The cache does not answer.
    """
    gone = set(cache.hkeys(KEY)).difference(names)
    if gone:
        cache.hdel(KEY, *gone)


def assess(check: Check | None, now: float) -> Assessment:
    """The grade of one target.

    A result that is older than `STALE_AFTER` intervals is a warning, whatever it said. Of a required target,
    a result older than `LOST_AFTER` intervals is a failure, and so is none at all.

    Args:
        check: Its last result; None if a required one has none yet.
        now: In Unix seconds.
    """
    if check is None:
        return Assessment(Grade.FAIL, "not_checked_yet")
    age = now - check.checked_at
    if check.required and age > LOST_AFTER * check.interval:
        return Assessment(Grade.FAIL, "result_lost")
    said = _verdict(check)
    if said.grade is Grade.PASS and age > STALE_AFTER * check.interval:
        return Assessment(Grade.WARN, "result_stale")
    return said


def _verdict(check: Check) -> Assessment:
    """The grade that the result gives, were it new."""
    if check.status in {Status.UP, Status.MAINTENANCE}:
        return Assessment(Grade.PASS, "")
    fails = check.required and (check.status is Status.DOWN or check.reason in _AS_GOOD_AS_DOWN)
    return Assessment(Grade.FAIL if fails else Grade.WARN, check.reason)


def worst(grades: Iterable[Grade]) -> Grade:
    """The worst of several grades; a pass if there are none."""
    order = list(Grade)
    return max(grades, key=order.index, default=Grade.PASS)


def overdue(
    targets: Sequence[Target], checks: Mapping[str, Check], now: float, slack: timedelta
) -> list[Target]:
    """The targets whose last result is older than their interval and `slack`, or that have none."""
    return [
        target
        for target in targets
        if target.name not in checks
        or now - checks[target.name].checked_at > (target.interval + slack).total_seconds()
    ]


def _encode(check: Check) -> str:
    content = {name: getattr(check, name) for name in _FIELDS}
    content["values"] = [[name, value, dict(labels)] for name, value, labels in check.values]
    return json.dumps(content, separators=(",", ":"))


def _decode(text: str | bytes) -> Check | None:
    try:
        content: dict[str, Any] = json.loads(text)
        values = tuple(Measurement(*value) for value in content.pop("values", []))
        status, parents = Status(content.pop("status")), tuple(content.pop("depends_on", []))
        return Check(**content, status=status, values=values, depends_on=parents)
    except (ValueError, TypeError, KeyError):
        return None
