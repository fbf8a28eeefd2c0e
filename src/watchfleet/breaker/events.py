"""What a breaker tells those who listen to it, in this process."""

import logging
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from watchfleet.breaker.states import Transition

logger = logging.getLogger(__name__)


class Kind(StrEnum):
    """The kinds of events, as resilience4j names them."""

    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    IGNORED_ERROR = "IGNORED_ERROR"
    NOT_PERMITTED = "NOT_PERMITTED"
    STATE_TRANSITION = "STATE_TRANSITION"


class Event(NamedTuple):
    """One thing that happened at a breaker.

    Attributes:
        name: The breaker's.
        kind: What happened.
        seconds: How long the call took; 0 when none was made.
        transition: The change of state, if it is one.
    """

    name: str
    kind: Kind
    seconds: float = 0.0
    transition: Transition | None = None


Listener = Callable[[Event], object]


class Listeners:
    """Tells everybody; one that raises harms neither the call nor the others."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """Tell this one, too, from now on."""
        self._listeners.append(listener)

    def tell(self, event: Event) -> None:
        """Tell all."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener of the circuit breaker %s failed", event.name)
