"""The states of a breaker and what is told of a call: the words of both its shared and its local form."""

from enum import StrEnum
from typing import Final, NamedTuple


class State(StrEnum):
    """The states of resilience4j's breaker."""

    CLOSED = "CLOSED"
    """Calls pass; what they come to is counted."""
    OPEN = "OPEN"
    """Calls are refused until the wait is over."""
    HALF_OPEN = "HALF_OPEN"
    """A few trials pass and decide."""
    DISABLED = "DISABLED"
    """Calls pass, nothing is counted: an operator's decision."""
    FORCED_OPEN = "FORCED_OPEN"
    """Calls are refused: an operator's decision."""
    METRICS_ONLY = "METRICS_ONLY"
    """Calls pass and are counted, and it never opens: an operator's decision."""


PERMITTING: Final = frozenset({State.CLOSED, State.DISABLED, State.METRICS_ONLY})
"""States in which every call passes."""
DECIDED: Final = frozenset({State.DISABLED, State.FORCED_OPEN, State.METRICS_ONLY})
"""States that only an operator begins and ends."""


class Outcome(StrEnum):
    """What a call came to."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    IGNORED = "ignored"


class Transition(NamedTuple):
    """A change of state and its named reason, such as `failure_rate`."""

    before: State
    after: State
    reason: str


class Permit(NamedTuple):
    """The answer to the question whether a call may be made.

    Attributes:
        allowed: Whether it may.
        generation: The number of the state's period; what a call of another period came to counts no more.
        ticket: The trial's number; 0 outside of HALF_OPEN.
        retry_after: Seconds to wait if it may not; None when that is an operator's decision.
        state: The breaker's state.
        transition: The change of state that the question caused.
        shared: Whether the fleet's breaker answered, or this process's own as Redis is gone.
    """

    allowed: bool
    generation: int
    ticket: int
    retry_after: float | None
    state: State
    transition: Transition | None = None
    shared: bool = True


class Recorded(NamedTuple):
    """What became of a report.

    Attributes:
        counted: Whether it counted; a stale one, or one of a disabled breaker, does not.
        state: The breaker's state.
        transition: The change of state that it caused.
    """

    counted: bool
    state: State
    transition: Transition | None = None
