"""What follows a try to deliver: done, again later, or given up. Pure decisions."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from watchfleet.errors import DeliveryError
from watchfleet.model import Receipt

BASE: Final = 1.0
LONGEST: Final = 300.0
LONGEST_ASKED: Final = 3600.0
MAX_ATTEMPTS: Final = 60
"""With the pauses above, a receiver may be away for about two hours."""
LONGEST_WAIT: Final = timedelta(hours=2)
"""How long a notification waits behind the open breaker of a destination that fails all that time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try came to.

    Attributes:
        state: The row's next state.
        reason: Its name for metrics and the audit, such as `delivered` or `http_404`.
        wait: Seconds until the next try; None when it is finished.
        detail: What went wrong, for people.
        receipt: The receiver's word, if it took the notification.
        asked: Seconds that the receiver asked everyone to wait, if it did.
    """

    state: Literal["sent", "retry", "dead"]
    reason: str
    wait: float | None = None
    detail: str = ""
    receipt: Receipt | None = None
    asked: float | None = None


def delivered(receipt: Receipt) -> Outcome:
    """The outcome of a try that the receiver confirmed."""
    return Outcome("sent", "delivered", receipt=receipt)


def failed(error: DeliveryError, attempts: int, jitter: Callable[[], float]) -> Outcome:
    """The outcome of a try that failed.

    Args:
        error: Why it failed.
        attempts: How many tries there were, this one included.
        jitter: Gives a number from 0 to 1, evenly distributed.
    """
    if error.permanent:
        return Outcome("dead", error.reason, detail=str(error))
    if attempts >= MAX_ATTEMPTS:
        return Outcome("dead", "max_attempts", detail=f"{attempts} tries, the last: {error}")
    wait = pause(attempts, error.retry_after, jitter())
    return Outcome("retry", error.reason, wait, str(error), asked=error.retry_after)


def pause(attempts: int, asked: float | None, jitter: float) -> float:
    """Seconds to wait before the next try.

    Exponential with full jitter (Brooker, "Exponential Backoff And Jitter", 2015); when the receiver asked
    for a pause, at least that one, up to an hour, and up to a second more so that not all come back at once.
    """
    if asked is not None:
        return min(asked, LONGEST_ASKED) + jitter
    return min(LONGEST, BASE * 2.0 ** min(attempts - 1, 30)) * jitter
