"""What was recorded and not yet shipped: bounded, oldest dropped first, every drop counted."""

import threading
import time
from collections import deque
from typing import Final, NamedTuple

from watchfleet.model import Activity, Event, Kind, Sample

DROPPED: Final = "watchfleet_client_dropped_total"
FAULTS: Final = "watchfleet_client_errors_total"

Row = Sample | Event | Activity
_KINDS: Final[dict[type, str]] = {Sample: "samples", Event: "events", Activity: "activity"}


class Series:
    """One series of ours: made once, then recorded under by identity, which costs no hashing of labels."""

    __slots__ = ("kind", "labels", "name")

    def __init__(self, name: str, kind: Kind, labels: dict[str, str]) -> None:
        self.name, self.kind, self.labels = name, kind, labels


class Cut(NamedTuple):
    """Rows on their way into one batch."""

    samples: list[Sample]
    events: list[Event]
    activity: list[Activity]

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.samples) + len(self.events) + len(self.activity)


class Buffer:
    """Rows in the order in which they were recorded, and counts that are still being added up.

    Counts take no row until `settle` turns them into one sample each, so a busy task costs one row for
    its count a flush, not one a run.

    Args:
        capacity: How many rows are kept.
        labels: The labels of what the buffer tells about itself.
    """

    def __init__(self, capacity: int, labels: dict[str, str]) -> None:
        self.capacity = capacity
        self._labels = labels
        self._rows: deque[Row] = deque()
        self._counts: dict[Series, float] = {}
        self._dropped: dict[str, int] = {}
        # Reentrant: a signal handler of the host may record while the interrupted code does, too.
        self.lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, row: Row) -> None:
        """Keep a row; the oldest leaves when there is no room."""
        with self.lock:
            if len(self._rows) >= self.capacity:
                kind = _KINDS[type(self._rows.popleft())]
                self._dropped[kind] = self._dropped.get(kind, 0) + 1
            self._rows.append(row)

    def count(self, series: Series, amount: float = 1.0) -> None:
        """Add to a count."""
        with self.lock:
            self._counts[series] = self._counts.get(series, 0.0) + amount

    def settle(self, faults: dict[str, int]) -> None:
        """Turn what was counted, dropped and faulty into one sample each."""
        now = time.time()
        with self.lock:
            counts, self._counts = self._counts, {}
            dropped, self._dropped = self._dropped, {}
            for series, amount in counts.items():
                self.append(Sample(series.name, series.labels, series.kind, now, amount))
            for rows, number in dropped.items():
                self._tell(DROPPED, {"rows": rows}, now, number)
            for place, number in faults.items():
                self._tell(FAULTS, {"place": place}, now, number)

    def _tell(self, name: str, labels: dict[str, str], now: float, number: int) -> None:
        self.append(Sample(name, self._labels | labels, Kind.EVENT, now, number))

    def cut(self, limit: int) -> Cut:
        """Take out the oldest rows, `limit` at most."""
        with self.lock:
            rows = [self._rows.popleft() for _ in range(min(limit, len(self._rows)))]
        return Cut(
            [row for row in rows if isinstance(row, Sample)],
            [row for row in rows if isinstance(row, Event)],
            [row for row in rows if isinstance(row, Activity)],
        )

    def clear(self) -> None:
        """Forget everything."""
        with self.lock:
            self._rows.clear()
            self._counts.clear()
            self._dropped.clear()

    def empty(self) -> bool:
        """Whether nothing waits to be shipped."""
        return not (self._rows or self._counts or self._dropped)
