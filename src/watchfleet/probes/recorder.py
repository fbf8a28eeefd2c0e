"""One thread a process that writes results into the store, and keeps them while the store is away."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from threading import Condition, Thread
from typing import Final

from sqlalchemy import Connection

from watchfleet.clock import utcnow
from watchfleet.db.engine import is_outage
from watchfleet.metrics.counters import Tally
from watchfleet.probes.record import Found, Recorded, Series, record
from watchfleet.redact import redact

logger = logging.getLogger(__name__)

MOST_RESULTS: Final = 20_000
"""What is kept during an outage; the oldest go first."""
MOST_AT_ONCE: Final = 20
"""Batches in one transaction."""
MOST_OWED: Final = 10_000
"""Series that are kept to be told of again; of more, the oldest have their rules' own time."""
DROPPED: Final = "watchfleet_probe_results_dropped_total"
PAUSE_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Batch:
    id: str
    found: Sequence[Found]
    lag: float | None
    done: "Future[Recorded]" = field(default_factory=Future)


class Recorder:
    """Writes batches in the order in which they came.

    While the store is away they wait in memory, so that what happened meanwhile is known once it is back.
    Who puts a batch waits no longer than it wants to: a store that hangs holds this one thread.

    Args:
        transaction: Opens a transaction on the store.
        announce: Called with the name and the labels of each series that got samples, once the store has
            them; may raise.

    Attributes:
        dropped: Results lost because too many waited, or because the store refused them.
    """

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection]],
        announce: Callable[[Iterable[Series]], None],
    ) -> None:
        self._transaction, self._announce = transaction, announce
        self._waiting: deque[_Batch] = deque()
        self._results_waiting = 0
        self._condition = Condition()
        self._thread: Thread | None = None
        self._one_by_one = False
        self._in_outage = False
        self._owed: list[Series] = []
        self._settled_at = 0.0
        self.dropped = self._counted = 0

    def put(self, batch: str, found: Sequence[Found], lag: float | None = None) -> "Future[Recorded]":
        """Have a batch written; the future tells when it is, and what it changed.

        Args:
            batch: Its id.
            found: The results.
            lag: How many seconds after it was due its first check began.
        """
        item = _Batch(batch, found, lag)
        with self._condition:
            self._waiting.append(item)
            self._results_waiting += len(found)
            while self._results_waiting > MOST_RESULTS and len(self._waiting) > 1:
                self._drop(self._waiting[0])
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="probe recorder", daemon=True)
                self._thread.start()
            self._condition.notify()
        return item.done

    def holds_back(self) -> bool:
        """Whether new checks should wait a tick.

        What failed during an outage is to be seen by the alert rules before the first success after it.
        """
        if self._owed:
            self._tell(())
        return self._in_outage or time.monotonic() < self._settled_at

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._waiting:
                    self._condition.wait()
                group = [self._waiting[0]] if self._one_by_one else list(islice(self._waiting, MOST_AT_ONCE))
            self._try(group)

    def _try(self, group: Sequence[_Batch]) -> None:
        try:
            with self._transaction() as connection:
                now = utcnow()
                recorded = [record(connection, item.id, item.found, now, item.lag) for item in group]
                lost = self.dropped
                tally = Tally()
                tally.add(DROPPED, lost - self._counted)
                tally.save(connection)
        except Exception as error:  # noqa: BLE001 - this thread must live; what it cannot write it counts
            self._failed(group, error)
        else:
            self._counted = lost
            self._succeeded(group, recorded)

    def _failed(self, group: Sequence[_Batch], error: Exception) -> None:
        if is_outage(error):
            if not self._in_outage:
                logger.error("the store is away; results wait for it: %s", redact(str(error)))
            self._in_outage = True
            time.sleep(PAUSE_SECONDS)
        elif len(group) > 1:
            self._one_by_one = True
        else:
            logger.error("the store refuses the batch %s", group[0].id, exc_info=error)
            with self._condition:
                self._drop(group[0])

    def _succeeded(self, group: Sequence[_Batch], recorded: Sequence[Recorded]) -> None:
        with self._condition:
            for item in group:
                # Under an overflow it may have been dropped meanwhile, although it was being written.
                if self._waiting and self._waiting[0] is item:
                    self._waiting.popleft()
                    self._results_waiting -= len(item.found)
            caught_up = not self._waiting
        self._one_by_one = False
        self._tell([series for one in recorded for series in one.series])
        if self._in_outage and caught_up:
            self._in_outage = False
            logger.info("the store is back; what waited is written")
        for item, outcome in zip(group, recorded, strict=True):
            item.done.set_result(outcome)

    def _tell(self, series: Sequence[Series]) -> None:
        owed, told = bool(self._owed), [*self._owed, *series]
        try:
            self._announce(told)
        except Exception as error:  # noqa: BLE001 - whatever a broker raises, the next tick tells again
            self._owed = told[-MOST_OWED:]
            logger.warning("the rules were not called: %s", redact(str(error)))
        else:
            if told and (self._in_outage or owed):
                self._settled_at = time.monotonic() + SETTLE_SECONDS
            self._owed = []

    def _drop(self, item: _Batch) -> None:
        self._waiting.remove(item)
        self._results_waiting -= len(item.found)
        self.dropped += len(item.found)
        if not item.done.done():
            item.done.set_result(Recorded())
        logger.error("%d results are lost; %d in all", len(item.found), self.dropped)
