"""The client: takes what is recorded in this process and ships it, without the host ever waiting.

Recording appends to a bounded buffer. A background thread, started by the first record of each process (so
never before a fork), cuts the buffer into batches and publishes them: at most `flush_interval` after a
record, at once when a task ended or much has gathered. A batch that could not be published is tried again
under the same id, so the fleet takes it once however often it arrives.

What a kill -9 can lose is what was not yet published; with `spool_dir`, which keeps every row in a file as
soon as it is recorded, nothing. Without it, and with a broker that answers, that is what tasks that
ended recorded in the last `SPACING` seconds, and what anything else did in the last `flush_interval`.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from watchfleet.errors import ConfigError
from watchfleet.instrument.bell import Bell
from watchfleet.instrument.buffer import Buffer, Row, Series, Store
from watchfleet.instrument.faults import faults
from watchfleet.instrument.shipping import Broker, Shipper
from watchfleet.instrument.spool import Spool
from watchfleet.model import Kind, Sample
from watchfleet.redact import redact

logger = logging.getLogger("watchfleet.instrument")

MANY: Final = 500
"""So many waiting rows are shipped without waiting for the interval."""
MOST_SERIES: Final = 5000
"""Distinct series of one process; whatever is over it is recorded with `other` for every label."""
SPACING: Final = 0.1
"""Seconds between two publishes, so that tasks of a millisecond share one."""
SHORTEST_PAUSE: Final = 0.25
"""Seconds until a failed publish is tried again, about; twice as long each time."""
LONGEST_PAUSE: Final = 5.0


class Client:
    """Records and ships. Any thread may call any method; none raises, and only `flush` and `close` wait.

    Args:
        service: The application's name, a label of whatever it records.
        find_broker: Returns where the fleet's broker is; raises ConfigError when nothing tells.
        capacity: How many rows are kept while the broker does not answer.
        flush_interval: Seconds after which a record is shipped.
        timeout: Seconds that the broker gets for each step.
        spool_dir: A folder for rows that are not shipped yet, so that a kill loses none; None for memory.
        spool_bytes: How much may be in it.
    """

    def __init__(
        self,
        service: str,
        find_broker: Callable[[], Broker],
        *,
        capacity: int = 20_000,
        flush_interval: float = 1.0,
        timeout: float = 5.0,
        spool_dir: str | Path | None = None,
        spool_bytes: int = 256 << 20,
    ) -> None:
        self._spool_dir, self._spool_bytes = spool_dir, spool_bytes
        self.buffer: Store
        self.service, self.capacity, self.flush_interval = service, capacity, flush_interval
        self._find_broker, self._timeout = find_broker, timeout
        self._series: dict[tuple[str, ...], Series] = {}
        self._off = False
        self.begin()

    def begin(self) -> None:
        """Start with nothing recorded and nothing opened, as a forked child must."""
        labels = {"service": self.service}
        self.buffer = Buffer(self.capacity, labels)
        if self._spool_dir is not None:
            self.buffer = Spool(Path(self._spool_dir).absolute(), self._spool_bytes, self.buffer, labels)
        self.shipper = Shipper(self._find_broker, self._timeout)
        self._failures = 0
        self._thread: threading.Thread | None = None
        self._recorded, self._hurried, self._closed = Bell(), Bell(), Bell()
        self._closing = False
        self._flushes: list[threading.Event] = []
        self._errand: Callable[[Shipper], None] | None = None

    # --- recording

    def series(self, name: str, kind: Kind, **labels: str) -> Series:
        """The series of that name and labels, and of this service."""
        key = (name, *labels.values())
        found = self._series.get(key)
        if found is None:
            if len(self._series) >= MOST_SERIES:
                labels = dict.fromkeys(labels, "other")
                key = (name, *labels.values())
            found = Series(name, kind, {"service": self.service, **labels})
            found = self._series.setdefault(key, found)
        return found

    def count(self, series: Series, amount: float = 1.0) -> None:
        """Add to a count, which is shipped as one sample a flush."""
        if not self._off:
            self.buffer.count(series, amount)
            self._notice()

    def observe(self, series: Series, value: float) -> None:
        """Record a value of a series, in the series' unit, as of now."""
        self.record(Sample(series.name, series.labels, series.kind, time.time(), value))

    def record(self, row: Row) -> None:
        """Record an event about an account, a sample of any series, or what was done."""
        if not self._off:
            self.buffer.append(row)
            self._notice()

    def send(self, samples: Sequence[Sample]) -> None:
        """Record many samples at once, of any series: the fast way for who has them by the thousand."""
        if not self._off:
            self.buffer.extend(samples)
            self._notice()

    def errand(self, run: Callable[[Shipper], None]) -> None:
        """Have the client's thread do something with its connection once it has shipped."""
        self._errand = run

    def hurry(self) -> None:
        """Have what was recorded shipped without waiting for the interval."""
        self._hurried.ring()

    def _notice(self) -> None:
        if len(self.buffer) >= MANY:
            self._hurried.ring()
        self._recorded.ring()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self.buffer.lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="watchfleet-client", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # no thread is to be had, or the interpreter ends
                self._thread = None
                faults.note("start", "no thread could be started", error)

    # --- shipping

    def _run(self) -> None:
        while not self._closing:
            self._recorded.wait(self.buffer.looks_every)
            self._hurried.wait(self.flush_interval)
            if self._closing:
                break
            if self._ship():
                self._closed.wait(SPACING)
            else:
                self._recorded.ring()
                self._closed.wait(self._pause())
        if not self._ship():
            fate = "are lost" if self._spool_dir is None else f"wait in {self._spool_dir}"
            waiting = self.buffer.waiting
            logger.warning("%d rows %s: they could not be shipped before the end", waiting, fate)
        self.buffer.close()
        self.shipper.close()

    def _pause(self) -> float:
        longest = min(SHORTEST_PAUSE * 2.0 ** min(self._failures, 10), LONGEST_PAUSE)
        return random.uniform(longest / 2, longest)  # many processes lost the broker at the same instant

    def _ship(self) -> bool:
        """Publish whatever waits; false when something is left because it could not be."""
        flushes = list(self._flushes)
        try:
            self.buffer.settle(faults.take())
            while parcel := self.buffer.take():
                self.shipper.send(*parcel)
                self._delivered()
            run, self._errand = self._errand, None
            if run is not None:
                run(self.shipper)
        except ConfigError as error:
            self._turn_off(error)
        except Exception as error:  # noqa: BLE001 - a broker fails in many ways, none of them the host's concern
            self._failed(error)
            return False
        if not self.buffer.empty():
            self._recorded.ring()  # what was dropped for the sake of counts is told in the next round
        for flushed in flushes:
            flushed.set()
            self._flushes.remove(flushed)
        return True

    def _delivered(self) -> None:
        self.buffer.done()
        if self._failures:
            self._failures = 0
            logger.info("samples reach the fleet again")

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        faults.count("ship")
        if self._failures == 1:
            logger.warning(
                "samples do not reach the fleet; the newest %d rows are kept until they do: %s: %s",
                self.capacity,
                type(error).__name__,
                redact(str(error)),
            )

    # --- on, off and the end

    def turn_on(self) -> None:
        """Record from now on: there may be a broker after all."""
        self._off = False

    def _turn_off(self, error: ConfigError) -> None:
        self._off = True
        self.buffer.clear()
        logger.warning("nothing is recorded: %s", redact(str(error)))

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until the broker has what was recorded so far.

        Returns:
            Whether it has; false when `timeout` seconds were not enough.
        """
        if self._thread is None:
            return self.buffer.empty()
        flushed = threading.Event()
        self._flushes.append(flushed)
        self._recorded.ring()
        self._hurried.ring()
        return flushed.wait(timeout)

    def close(self, timeout: float = 2.0) -> bool:
        """Ship what waits, in one try, and end the thread.

        Returns:
            Whether it ended; false when `timeout` seconds were not enough.
        """
        thread = self._thread
        if thread is None:
            return True
        self._closing = True
        for bell in (self._recorded, self._hurried, self._closed):
            bell.ring()
        thread.join(timeout)
        if thread.is_alive():
            return False
        self._closing, self._thread = False, None
        return True
