"""Whether a destination may be sent to now: a token bucket and a circuit breaker. Pure decisions.

The breaker opens after `TRIPPED` tries in a row that failed and may yet succeed, or when the receiver asks
for a pause. After the pause one trial is let through: its success closes the breaker, its failure opens it
for longer. A trial whose worker died frees its place when its lease ends.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from watchfleet.notify.retry import LONGEST_ASKED, Outcome

TRIPPED: Final = 5
SHORTEST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 60.0
FORCED: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Until when a breaker is open that an operator forced open."""
BURST: Final = 5.0
"""Seconds for which unused permission is kept: the sweeper comes by that often."""


@dataclass(frozen=True, slots=True)
class Gate:
    """How a destination stands.

    Attributes:
        tokens: How many may be sent at once, as of `refilled_at`.
        refilled_at: When that was.
        token_at: When the next one may be sent; None when nothing limits it.
        failures: Failed tries in a row.
        failing_since: When the first of them failed.
        open_until: While the breaker is open, when the next trial may be made.
    """

    tokens: float
    refilled_at: datetime
    token_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    open_until: datetime | None = None


def admit(gate: Gate, wanted: int, rate: float, now: datetime, lease: timedelta) -> tuple[int, Gate]:
    """How many of `wanted` notifications may be sent now, and how the destination stands then.

    Args:
        gate: How it stands.
        wanted: How many are due; at least one.
        rate: How many a second may be sent; 0 for any number.
        now: The present.
        lease: How long a trial has its place.
    """
    if gate.open_until is not None and gate.open_until > now:
        return 0, gate
    if gate.failures >= TRIPPED:
        wanted, gate = 1, replace(gate, open_until=now + lease)
    if not rate:
        return wanted, gate
    burst = max(1.0, rate * BURST)
    elapsed = max(0.0, (now - gate.refilled_at).total_seconds())
    tokens = min(burst, gate.tokens + elapsed * rate)
    count = min(wanted, int(tokens))
    tokens -= count
    token_at = None if tokens >= 1 else now + timedelta(seconds=(1 - tokens) / rate)
    return count, replace(gate, tokens=tokens, refilled_at=now, token_at=token_at)


def after(gate: Gate, outcome: Outcome, now: datetime) -> Gate:
    """How a destination stands after a try.

    An answer that ends a notification, even as dead, is an answer: only what may pass counts as a failure.
    What a try under way comes to does not undo an operator's decision.
    """
    if gate.open_until == FORCED:
        return gate
    if outcome.state != "retry":
        return release(gate)
    failures = gate.failures + 1
    pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** max(0, min(failures - TRIPPED, 10)))
    if outcome.asked is not None:
        pause = min(outcome.asked, LONGEST_ASKED)
    opens = failures >= TRIPPED or outcome.asked is not None
    return replace(
        gate,
        failures=failures,
        failing_since=gate.failing_since or now,
        open_until=now + timedelta(seconds=pause) if opens else gate.open_until,
    )


def force(gate: Gate, now: datetime) -> Gate:
    """How a destination stands that an operator has nothing sent to."""
    return replace(
        gate,
        failures=max(gate.failures, TRIPPED),
        failing_since=gate.failing_since or now,
        open_until=FORCED,
    )


def release(gate: Gate) -> Gate:
    """How a destination stands that an operator takes to be well again."""
    return replace(gate, failures=0, failing_since=None, open_until=None)
