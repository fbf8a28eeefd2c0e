"""What a probe is made of: its target, its options, its deadline, and the result that it returns."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

from watchfleet.clock import utcnow
from watchfleet.model import Measurement, ProbeResult, Severity, Status
from watchfleet.probes.calendar import Window
from watchfleet.probes.reasons import Reason
from watchfleet.redact import redact

LONGEST_DETAIL: Final = 300
LONGEST_ANSWER: Final = 2048
"""Characters that are kept of an answer that was not as expected."""
READ_ANSWER: Final = 2 * LONGEST_ANSWER
"""Bytes that are read of it: so a secret that ends behind the cut is seen whole, and redacted."""


class Options(BaseModel):
    """The settings of one kind of probe; each kind derives its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


@dataclass(frozen=True, slots=True)
class Target:
    """What is probed.

    Attributes:
        name: Unique among all targets.
        kind: The kind of its probe.
        interval: Time between two checks.
        timeout: How long one check may take.
        degraded_after: Slower than that, it counts as degraded.
        labels: Carried by its samples and alerts.
        severity: Of the alert that it is down.
        required: Whether the fleet is not ready while it is down.
        own: Whether it is one of the fleet's own dependencies.
        options: What its kind needs to know.
        retries: How many checks in a row may fail before it counts as down.
        successes: How many in a row must succeed before it counts as up again.
        retry_interval: Time to the next check while that is not decided; None for `interval`.
        depends_on: The names of targets without which it cannot serve.
        maintenance: When it may fail.
        groups: What it is checked together with.
        public: Whether everybody may see its status.
        sla: The uptime that was promised, in percent of 30 days.
        locations: From which places it is checked; empty for that of the fleet.
        quorum: In how many of them it must be down to count as down.
    """

    name: str
    kind: str
    interval: timedelta
    timeout: timedelta
    degraded_after: timedelta | None
    labels: Mapping[str, str]
    severity: Severity
    required: bool
    own: bool
    options: Options
    retries: int = 0
    successes: int = 1
    retry_interval: timedelta | None = None
    depends_on: tuple[str, ...] = ()
    maintenance: tuple[Window, ...] = ()
    groups: tuple[str, ...] = ()
    public: bool = False
    sla: float | None = None
    locations: tuple[str, ...] = ()
    quorum: int = 1


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a probe must have its verdict.

    Attributes:
        at: By the clock of `time.monotonic`.
    """

    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """The deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds until then; never less than a millisecond, because 0 means "no limit" to many clients."""
        return max(0.001, self.at - time.monotonic())


class Attempt:
    """One check under way; knows its target and when it began, and makes the result."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._began: datetime = utcnow()
        self._clock = time.monotonic()

    def up(self, values: Iterable[Measurement] = (), *, duration: float | None = None) -> ProbeResult:
        """The target serves; it counts as degraded when it took longer than its `degraded_after`.

        Args:
            values: What else was measured.
            duration: Seconds that the target took, if the probe knows better than this clock.
        """
        taken = self._taken(duration)
        limit = self._target.degraded_after
        if limit is not None and taken > limit.total_seconds():
            detail = f"took {taken:.3f} s, more than {limit.total_seconds():g} s"
            return self._result(Status.DEGRADED, Reason.SLOW, detail, values, taken)
        return self._result(Status.UP, "", "", values, taken)

    def degraded(self, reason: str, detail: str, values: Iterable[Measurement] = ()) -> ProbeResult:
        """The target serves, but not as it should."""
        return self._result(Status.DEGRADED, reason, detail, values, self._taken())

    def down(
        self,
        reason: str,
        detail: str,
        values: Iterable[Measurement] = (),
        *,
        duration: float | None = None,
        answer: bytes = b"",
    ) -> ProbeResult:
        """The target does not serve.

        Args:
            reason: A snake_case name.
            detail: One line for people, without secrets and without the text of an exception.
            values: What was measured nevertheless.
            duration: Seconds that the target took, if the probe knows better than this clock.
            answer: What it answered instead of what was expected.
        """
        result = self._result(Status.DOWN, reason, detail, values, self._taken(duration))
        return replace(result, answer=shown_answer(answer)) if answer else result

    def unknown(self, reason: str, detail: str) -> ProbeResult:
        """The check could not be made: nothing is said about the target."""
        return self._result(Status.UNKNOWN, reason, detail, (), self._taken())

    def _taken(self, duration: float | None = None) -> float:
        return time.monotonic() - self._clock if duration is None else duration

    def _result(
        self, status: Status, reason: str, detail: str, values: Iterable[Measurement], taken: float
    ) -> ProbeResult:
        return ProbeResult(
            self._target.name,
            status,
            str(reason),
            taken,
            self._began,
            _one_line(redact(detail))[:LONGEST_DETAIL] if detail else "",
            tuple(values),
        )


def maintained(target: Target, result: ProbeResult) -> ProbeResult:
    """The result as it counts: in a maintenance window of its target it tells of that and nothing else."""
    if not any(window.covers(result.checked_at) for window in target.maintenance):
        return result
    detail = f"in maintenance; its check found it {result.status}"
    return replace(result, status=Status.MAINTENANCE, reason=Reason.MAINTENANCE, detail=detail)


def shown_answer(answer: bytes) -> str:
    """The beginning of an answer as text: without secrets, and without what would confuse a terminal."""
    text = redact(answer[:READ_ANSWER].decode("utf-8", "replace"))[:LONGEST_ANSWER]
    return "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in text)


def _one_line(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())
