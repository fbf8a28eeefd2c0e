"""What the application did under a correlation id: what `watchfleet trace` shows of it."""

import time
from typing import Any, Final

from watchfleet import correlation
from watchfleet.instrument.lifetime import lifetime
from watchfleet.model import Activity, Kind
from watchfleet.redact import redact

MOST_A_SECOND: Final = 100
"""Rows that one process records in a second. Whatever is over it is counted, and its metrics are recorded."""
SKIPPED: Final = "watchfleet_client_activity_skipped_total"
_LONGEST: Final = 1000


class _Budget:
    """How much may still be recorded in this second."""

    def __init__(self) -> None:
        self._second, self._left = 0, 0

    def take(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._left = second, MOST_A_SECOND
        self._left -= 1
        return self._left >= 0


_budget = _Budget()


def record(kind: str, name: str, duration: float | None = None, **detail: Any) -> None:
    """Record what has just ended under the current correlation id; nothing when there is none.

    Args:
        kind: `task`, `request` or `query`.
        name: Of what: the task's, the route's, the statement's operation.
        duration: Seconds that it took.
        detail: What else is worth showing: texts and numbers.
    """
    found, client = correlation.current(), lifetime.client
    if found is None or client is None:
        return
    if not _budget.take():
        client.count(client.series(SKIPPED, Kind.EVENT))
        return
    fields = {key: _shown(value) for key, value in detail.items() if value not in (None, "")}
    if duration is not None:
        fields["duration"] = duration
    client.record(Activity(kind, time.time(), found, name, {"service": client.service, **fields}))


def _shown(value: Any) -> str | float:
    return value if isinstance(value, int | float) else redact(str(value)[: 2 * _LONGEST])[:_LONGEST]
