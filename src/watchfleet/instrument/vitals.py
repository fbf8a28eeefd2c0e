"""How this process fares, as samples: its memory, Python's part of it, threads, open files, tasks done.

They are taken at the end of a task or request, at most every `PERIOD`: who does nothing takes nothing, and no
thread is needed for it. The labels name the process by its place, not its number: the next child of a pool
goes on with the series of the one before, and its start time tells that it is another.
"""

import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from watchfleet.instrument.faults import guarded
from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.memory import memory_limit, resident_bytes, unique_bytes
from watchfleet.instrument.slots import Slot
from watchfleet.model import Kind

PERIOD: Final = 30.0
"""Seconds between two samples."""
SLOW: Final = 10
"""Every so many samples also what takes milliseconds to find out."""
_OPEN: Final = Path("/proc/self/fd")


class Vitals:
    """Takes the samples of this process."""

    def __init__(self) -> None:
        self._slot: Slot | None = None
        self.begin()

    def begin(self) -> None:
        """Be a new process, as a forked child is."""
        if self._slot is not None:
            self._slot.leave()
        self._slot, self._name = None, ""
        self._started, self._due = time.time(), time.monotonic() + PERIOD
        self._taken = self._tasks = 0

    def worked(self, tasks: int = 0) -> None:
        """Something was done, among it so many tasks: take samples if it is time."""
        self._tasks += tasks
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + PERIOD
            self._take()

    @guarded("vitals")
    def _take(self) -> None:
        client = lifetime.client
        if client is None:
            return
        if self._slot is None:
            self._slot = Slot(client.service)
            self._name = f"{client.service}@{socket.gethostname()}/{self._slot.number}"
        for name, value in self._figures():
            client.observe(client.series(name, Kind.GAUGE, process=self._name), value)
        self._taken += 1

    def _figures(self) -> Iterator[tuple[str, float]]:
        generations = gc.get_stats()
        yield "process_resident_memory_bytes", resident_bytes()
        yield "process_start_time_seconds", self._started
        yield "process_allocated_blocks", sys.getallocatedblocks()
        yield "process_gc_collections", generations[-1]["collections"]
        yield "process_gc_uncollectable", sum(one["uncollectable"] for one in generations)
        yield "process_threads", threading.active_count()
        yield "process_tasks_done", self._tasks
        if _OPEN.is_dir():
            yield "process_open_fds", sum(1 for _ in os.scandir(_OPEN))
        if self._taken % SLOW == 0:
            yield from self._slow_figures()

    def _slow_figures(self) -> Iterator[tuple[str, float]]:
        for name, value in (
            ("process_unique_memory_bytes", unique_bytes()),
            ("process_memory_limit_bytes", memory_limit()),
        ):
            if value is not None:
                yield name, value


vitals = Vitals()
"""This process's."""

os.register_at_fork(after_in_child=vitals.begin)
