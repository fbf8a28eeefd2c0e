"""Whatever goes wrong inside us stays inside us: it is counted, logged once, and never raised."""

import functools
import logging
from collections.abc import Callable
from typing import Any, Final

from billiard.exceptions import SoftTimeLimitExceeded

from watchfleet.redact import redact

logger = logging.getLogger("watchfleet.instrument")

MOST_PLACES: Final = 200


class Faults:
    """What went wrong so far, by place.

    Attributes:
        counts: Faults not yet reported, by place; whoever reports them takes them out.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._logged: set[tuple[str, str]] = set()

    def count(self, place: str) -> None:
        """Count a fault that is logged elsewhere."""
        self.counts[place] = self.counts.get(place, 0) + 1

    def note(self, place: str, what: str, error: BaseException | None = None) -> None:
        """Count a fault, and log it when it is the first of its kind at this place."""
        self.count(place)
        if (place, what) in self._logged or len(self._logged) >= MOST_PLACES:
            return
        self._logged.add((place, what))
        detail = f": {redact(str(error))}" if error is not None else ""
        logger.warning("%s: %s%s (logged once, counted always)", place, what, detail)

    def take(self) -> dict[str, int]:
        """The faults not yet reported; they count as reported from now on."""
        taken, self.counts = self.counts, {}
        return taken


faults = Faults()
"""This process's faults."""


def guarded(place: str) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Have a function that hosts call swallow what it raises.

    A task's soft time limit may strike while we run: that is the host's, and passes through.
    """

    def wrap(function: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> None:
            try:
                function(*args, **kwargs)
            except SoftTimeLimitExceeded:
                raise
            except Exception as error:  # noqa: BLE001 - the host must not suffer from any fault of ours
                faults.note(place, type(error).__name__, error)

        return call

    return wrap
