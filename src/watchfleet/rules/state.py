"""The alert state machine: one pure transition.

Prometheus's semantics (`rules/alerting.go`): pending at the first true observation; firing once the
condition has held for the hold time (at least, not more than); a pending alert whose condition is false is
dropped silently; `keep_firing_for` counts from the first false observation and starts over at any true one.
An alert over its rule's pending threshold alone is pending, however long.
Unlike there, no data and a failed query change nothing, a series that is missing alone is waited for (as
Grafana does), and every clock survives a restart.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from watchfleet.model import AlertState

RESOLVED_FOR: Final = timedelta(minutes=15)
"""How long a resolved alert is shown as such; Prometheus's `resolvedRetention`."""


class Condition(StrEnum):
    """What a rule has to say about one alert."""

    TRUE = "true"
    NEAR = "near"
    """It is over the pending threshold alone."""
    FALSE = "false"
    MISSING = "missing"
    """Its series have no data, while others of the rule have."""
    UNKNOWN = "unknown"
    """There is no data at all, or it could not be read."""
    GONE = "gone"
    """The rule is not there any more."""
    DISABLED = "disabled"
    """The rule is switched off."""


class Reason(StrEnum):
    """Why an alert is in the state it is in."""

    CONDITION_TRUE = "condition_true"
    CONDITION_NEAR = "over_pending_threshold"
    CONDITION_FALSE = "condition_false"
    WAITING = "waiting_for_hold"
    HELD = "condition_held"
    STILL_TRUE = "condition_still_true"
    KEPT_FIRING = "keep_firing_for"
    NO_DATA = "no_data_keeps_state"
    SERIES_AWAITED = "missing_series_keeps_state"
    MISSING_SERIES = "missing_series"
    NOT_WATCHED = "not_watched_any_more"
    DISABLED = "rule_disabled"


_ENDS: Final = {
    Condition.NEAR: Reason.CONDITION_FALSE,
    Condition.FALSE: Reason.CONDITION_FALSE,
    Condition.MISSING: Reason.MISSING_SERIES,
    Condition.GONE: Reason.NOT_WATCHED,
    Condition.DISABLED: Reason.DISABLED,
}
BEGINNING: Final = frozenset({Condition.TRUE, Condition.NEAR})
"""What an alert may begin with."""
_SEEN: Final = frozenset({Condition.NEAR, Condition.FALSE})
"""There are data, and they do not say that it is true."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a condition must hold, and how long an alert outlasts it.

    Attributes:
        hold: Prometheus's `for`.
        keep_firing: Prometheus's `keep_firing_for`.
        missing: How long series that are missing are waited for, from the first observation without them.
    """

    hold: timedelta = timedelta(0)
    keep_firing: timedelta = timedelta(0)
    missing: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alert stands, and since when.

    Attributes:
        state: Its state.
        active_at: When it last became pending.
        fired_at: When it last began to fire.
        resolved_at: When it was last resolved.
        keep_firing_since: The first observation that was not true, while it fires on.
        missing_since: The first observation without its series, while they are waited for.
    """

    state: AlertState
    active_at: datetime | None = None
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    keep_firing_since: datetime | None = None
    missing_since: datetime | None = None


NEVER: Final = Standing(AlertState.INACTIVE)
"""An alert that has not been seen before."""


def transition(
    standing: Standing, condition: Condition, timing: Timing, now: datetime
) -> tuple[Standing, Reason]:
    """Where an alert stands after an observation, and why.

    Args:
        standing: Where it stood.
        condition: What the rule says of it.
        timing: The rule's times.
        now: The time of the evaluation.
    """
    if condition is Condition.UNKNOWN:
        return standing, Reason.NO_DATA
    if condition is Condition.TRUE:
        return _while_true(replace(standing, missing_since=None, keep_firing_since=None), timing, now)
    if condition is Condition.NEAR and standing.state is not AlertState.FIRING:
        return _while_near(replace(standing, missing_since=None), now)
    if standing.state not in {AlertState.PENDING, AlertState.FIRING}:
        return standing, _ENDS[condition]
    if condition is Condition.MISSING:
        standing = replace(standing, missing_since=standing.missing_since or now)
        if now - (standing.missing_since or now) < timing.missing:
            return _kept(standing, now), Reason.SERIES_AWAITED
    elif condition in _SEEN:
        standing = replace(standing, missing_since=None)
    return _ended(standing, condition, timing, now)


def shown_state(state: AlertState, resolved_at: datetime | None, now: datetime) -> AlertState:
    """The state as it is shown: what was resolved long ago is inactive."""
    if state is AlertState.RESOLVED and (resolved_at is None or now - resolved_at > RESOLVED_FOR):
        return AlertState.INACTIVE
    return state


def _while_true(standing: Standing, timing: Timing, now: datetime) -> tuple[Standing, Reason]:
    if standing.state is AlertState.FIRING:
        return standing, Reason.STILL_TRUE
    started = standing.state is not AlertState.PENDING
    if started:
        standing = Standing(AlertState.PENDING, active_at=now)
    if now - (standing.active_at or now) >= timing.hold:
        return replace(standing, state=AlertState.FIRING, fired_at=now), Reason.HELD
    return standing, Reason.CONDITION_TRUE if started else Reason.WAITING


def _while_near(standing: Standing, now: datetime) -> tuple[Standing, Reason]:
    if standing.state is AlertState.PENDING:
        return standing, Reason.WAITING
    return Standing(AlertState.PENDING, active_at=now), Reason.CONDITION_NEAR


def _ended(
    standing: Standing, condition: Condition, timing: Timing, now: datetime
) -> tuple[Standing, Reason]:
    if standing.state is AlertState.PENDING:
        return replace(standing, state=AlertState.INACTIVE, missing_since=None), _ENDS[condition]
    outlasts = condition in {*_SEEN, Condition.MISSING}
    if outlasts and now - (standing.keep_firing_since or now) < timing.keep_firing:
        return _kept(standing, now), Reason.KEPT_FIRING
    resolved = replace(
        standing,
        state=AlertState.RESOLVED,
        resolved_at=now,
        keep_firing_since=None,
        missing_since=None,
    )
    return resolved, _ENDS[condition]


def _kept(standing: Standing, now: datetime) -> Standing:
    """It fires on, and the clock of `keep_firing_for` runs."""
    if standing.state is not AlertState.FIRING:
        return standing
    return replace(standing, keep_firing_since=standing.keep_firing_since or now)
