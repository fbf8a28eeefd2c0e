"""What was recorded and not yet shipped: bounded, oldest dropped first, every drop counted."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, cast
from uuid import uuid4

from watchfleet.model import Activity, Event, Kind, Sample
from watchfleet.wire import Batch, pack

DROPPED: Final = "watchfleet_client_dropped_total"
FAULTS: Final = "watchfleet_client_errors_total"
MOST_ROWS: Final = 10_000
"""Rows of one batch."""

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


class Parcel(NamedTuple):
    """A batch on its way, which keeps its id through every try."""

    batch_id: str
    batch: Batch
    rows: int


class Store(Protocol):
    """Where rows wait to be shipped: in memory, or in files.

    Attributes:
        lock: Held while rows change; reentrant, as a signal handler of the host may record meanwhile.
        looks_every: Seconds after which `take` may find rows that this process did not record; None if never.
    """

    lock: threading.RLock
    looks_every: float | None

    def __len__(self) -> int:
        """How many rows wait, those of a taken batch not among them."""

    @property
    def waiting(self) -> int:
        """How many rows are not with the broker yet."""

    def append(self, row: Row) -> None:
        """Keep a row; the oldest leaves when there is no room."""

    def extend(self, rows: Sequence[Sample]) -> None:
        """Keep many samples."""

    def count(self, series: "Series", amount: float = 1.0) -> None:
        """Add to a count."""

    def settle(self, counted: Mapping[str, int]) -> None:
        """Record what was dropped, and faults by place."""

    def take(self) -> Parcel | None:
        """The next batch to ship; the same one until `done`."""

    def done(self) -> None:
        """Forget the batch that was taken: the broker has it."""

    def clear(self) -> None:
        """Forget everything that this process recorded."""

    def empty(self) -> bool:
        """Whether nothing waits to be shipped."""

    def close(self) -> None:
        """Leave what is left, at the end of the process."""

    def leave(self) -> None:
        """Have no more to do with what is the parent's: this process is its child."""


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
        self._dropped: Counter[str] = Counter()
        self._parcel: Parcel | None = None
        # Reentrant: a signal handler of the host may record while the interrupted code does, too.
        self.lock = threading.RLock()
        self.looks_every: float | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, row: Row) -> None:
        """Keep a row; the oldest leaves when there is no room."""
        with self.lock:
            if len(self._rows) >= self.capacity:
                self._dropped[kind_of(self._rows.popleft())] += 1
            self._rows.append(row)

    def extend(self, rows: Sequence[Sample]) -> None:
        """Keep many samples, the newest if they are more than there is room for."""
        with self.lock:
            over = len(self._rows) + len(rows) - self.capacity
            for _ in range(min(over, len(self._rows))):
                self._dropped[kind_of(self._rows.popleft())] += 1
            lost = max(0, len(rows) - self.capacity)
            self._dropped["samples"] += lost
            self._rows.extend(rows[lost:])

    def count(self, series: Series, amount: float = 1.0) -> None:
        """Add to a count."""
        with self.lock:
            self._counts[series] = self._counts.get(series, 0.0) + amount

    def settle(self, counted: Mapping[str, int]) -> None:
        """Turn what was counted, dropped and faulty into one sample each."""
        now = time.time()
        with self.lock:
            counts, self._counts = self._counts, {}
            dropped, self._dropped = self._dropped, Counter()
            for series, amount in counts.items():
                self.append(Sample(series.name, series.labels, series.kind, now, amount))
            for row in told(self._labels, dropped, counted):
                self.append(row)

    @property
    def waiting(self) -> int:
        """How many rows are not with the broker yet."""
        return len(self._rows) + (self._parcel.rows if self._parcel else 0)

    def take(self) -> Parcel | None:
        """The next batch to ship; the same one until `done`."""
        if self._parcel is None:
            cut = self.cut(MOST_ROWS)
            if cut.rows:
                self._parcel = Parcel(uuid4().hex, pack(*cut), cut.rows)
        return self._parcel

    def done(self) -> None:
        """Forget the batch that was taken: the broker has it."""
        self._parcel = None

    def cut(self, limit: int) -> Cut:
        """Take out the oldest rows, `limit` at most."""
        with self.lock:
            rows = [self._rows.popleft() for _ in range(min(limit, len(self._rows)))]
        if set(map(type, rows)) == {Sample}:
            return Cut(cast("list[Sample]", rows), [], [])
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
            self._parcel = None

    def empty(self) -> bool:
        """Whether nothing waits to be shipped."""
        return not (self._rows or self._counts or self._dropped or self._parcel)

    def close(self) -> None:
        """Nothing outlives the process."""

    def leave(self) -> None:
        """Nothing is shared with the parent."""


def told(
    labels: Mapping[str, str], dropped: Mapping[str, int], faults: Mapping[str, int]
) -> Iterator[Sample]:
    """What was dropped, by kind, and what was faulty, by place, as samples."""
    now = time.time()
    for name, label, numbers in ((DROPPED, "rows", dropped), (FAULTS, "place", faults)):
        for which, number in numbers.items():
            if number:
                yield Sample(name, {**labels, label: which}, Kind.EVENT, now, number)


def kind_of(row: Row) -> str:
    """What a row that is dropped counts as."""
    return _KINDS[type(row)]
