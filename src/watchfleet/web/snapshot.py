"""The last result of a slow read, renewed in the background by one thread at a time."""

import logging
import time
from collections.abc import Callable
from threading import Condition, Thread
from typing import Generic, NamedTuple, TypeVar

from watchfleet.redact import redact

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Reading(NamedTuple, Generic[T]):
    """What was read, and how many seconds ago."""

    value: T
    age: float


class Snapshot(Generic[T]):
    """However many ask, the read runs once at a time, and nobody waits for it longer than they want.

    Args:
        read: Reads; may hang or raise, in which case what was read before stays.
        fresh: Seconds after which the next to ask has it renewed.
        usable: Seconds for which those who ask meanwhile are given the old one at once.
    """

    def __init__(self, read: Callable[[], T], *, fresh: float, usable: float) -> None:
        self._read, self._fresh, self._usable = read, fresh, usable
        self._condition = Condition()
        self._reading_since: float | None = None
        self._value: T | None = None
        self._read_at = float("-inf")
        self._failing = False

    def get(self, patience: float) -> Reading[T] | None:
        """The newest reading there is; None if there was none yet.

        Args:
            patience: When the last reading is no longer usable, a renewal is waited for until it has taken
                that many seconds. Who comes later takes what there is: a read that hangs holds no requests.
        """
        with self._condition:
            if self._age() > self._fresh and self._reading_since is None:
                self._reading_since = time.monotonic()
                Thread(target=self._renew, name="snapshot", daemon=True).start()
            if self._age() > self._usable and self._reading_since is not None:
                left = self._reading_since + patience - time.monotonic()
                self._condition.wait_for(lambda: self._reading_since is None, max(0.0, left))
            return None if self._value is None else Reading(self._value, self._age())

    def _age(self) -> float:
        return time.monotonic() - self._read_at

    def _renew(self) -> None:
        began = time.monotonic()
        value, failure = None, ""
        try:
            value = self._read()
        except Exception as error:  # noqa: BLE001 - whatever a read raises, the next one tries again
            failure = redact(str(error)) or type(error).__name__
        if bool(failure) != self._failing:
            self._failing = bool(failure)
            logger.warning("reading fails: %s", failure) if failure else logger.info("reading works again")
        with self._condition:
            self._reading_since = None
            if value is not None:
                self._value, self._read_at = value, began
            self._condition.notify_all()
