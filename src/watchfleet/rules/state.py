"""The alert state machine: one pure transition.

Prometheus's semantics (`rules/alerting.go`): pending at the first true observation; firing once the
condition has held for the hold time (at least, not more than); a pending alert whose condition is false is
dropped silently; `keep_firing_for` counts from the first false observation and starts over at any true one.
Unlike there, no data and a failed read change nothing, and every clock survives a restart.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from watchfleet.model import AlertState


class Condition(StrEnum):
    """What a rule has to say about one alert."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"
    """There is no data, or it could not be read."""
    GONE = "gone"
    """The alert's subject is not watched any more."""


class Reason(StrEnum):
    """Why an alert is in the state it is in."""

    CONDITION_TRUE = "condition_true"
    CONDITION_FALSE = "condition_false"
    WAITING = "waiting_for_hold"
    HELD = "condition_held"
    STILL_TRUE = "condition_still_true"
    KEPT_FIRING = "keep_firing_for"
    NO_DATA = "no_data_keeps_state"
    NOT_WATCHED = "not_watched_any_more"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a condition must hold, and how long an alert fires on after it.

    Attributes:
        hold: Prometheus's `for`.
        checks: True observations in a row that it takes as well.
        keep_firing: Prometheus's `keep_firing_for`.
    """

    hold: timedelta = timedelta(0)
    checks: int = 1
    keep_firing: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alert stands, and since when.

    Attributes:
        state: Its state.
        active_at: When it last became pending.
        fired_at: When it last began to fire.
        resolved_at: When it was last resolved.
        keep_firing_since: The first false observation, while it fires on.
    """

    state: AlertState
    active_at: datetime | None = None
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    keep_firing_since: datetime | None = None


NEVER: Final = Standing(AlertState.INACTIVE)
"""An alert that has not been seen before."""


def transition(
    standing: Standing, condition: Condition, checks: int, timing: Timing, now: datetime
) -> tuple[Standing, Reason]:
    """Where an alert stands after an observation, and why.

    Args:
        standing: Where it stood.
        condition: What the rule says of it.
        checks: How many true observations in a row there are, up to this one.
        timing: The rule's times.
        now: The time of the evaluation.
    """
    if condition is Condition.UNKNOWN:
        return standing, Reason.NO_DATA
    if standing.state is AlertState.FIRING:
        return _while_firing(standing, condition, timing, now)
    if condition is Condition.TRUE:
        return _while_true(standing, checks, timing, now)
    reason = Reason.NOT_WATCHED if condition is Condition.GONE else Reason.CONDITION_FALSE
    if standing.state is AlertState.PENDING:
        return replace(standing, state=AlertState.INACTIVE), reason
    return standing, reason


def _while_true(standing: Standing, checks: int, timing: Timing, now: datetime) -> tuple[Standing, Reason]:
    started = standing.state is not AlertState.PENDING
    if started:
        standing = Standing(AlertState.PENDING, active_at=now)
    held = now - (standing.active_at or now)
    if held >= timing.hold and checks >= timing.checks:
        return replace(standing, state=AlertState.FIRING, fired_at=now), Reason.HELD
    return standing, Reason.CONDITION_TRUE if started else Reason.WAITING


def _while_firing(
    standing: Standing, condition: Condition, timing: Timing, now: datetime
) -> tuple[Standing, Reason]:
    if condition is Condition.TRUE:
        return replace(standing, keep_firing_since=None), Reason.STILL_TRUE
    if condition is Condition.GONE:
        return _resolved(standing, now), Reason.NOT_WATCHED
    since = standing.keep_firing_since or now
    if now - since < timing.keep_firing:
        return replace(standing, keep_firing_since=since), Reason.KEPT_FIRING
    return _resolved(standing, now), Reason.CONDITION_FALSE


def _resolved(standing: Standing, now: datetime) -> Standing:
    return replace(standing, state=AlertState.RESOLVED, resolved_at=now, keep_firing_since=None)
