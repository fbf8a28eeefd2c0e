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
from functools import partial
from pathlib import Path
from typing import Final

from watchfleet.instrument.bursts import Order, bursts
from watchfleet.instrument.faults import guarded
from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.memory import memory_limit, resident_bytes, unique_bytes
from watchfleet.instrument.shipping import Shipper
from watchfleet.instrument.slots import Slot
from watchfleet.model import Kind

PERIOD: Final = 30.0
"""Seconds between two samples."""
SLOW: Final = 10
"""Every so many samples also what takes milliseconds to find out."""
_OPEN: Final = "/proc/self/fd"
_TELLS_OPEN: Final = Path(_OPEN).is_dir()


class Vitals:
    """Takes the samples of this process.

    Attributes:
        pool_limit: At what size, in bytes, its pool replaces the process; None if it does not.
    """

    def __init__(self) -> None:
        self._slot: Slot | None = None
        self.pool_limit: int | None = None
        self.begin()

    def begin(self) -> None:
        """Be a new process, as a forked child is."""
        if self._slot is not None:
            self._slot.leave()
        self._slot, self._name = None, ""
        self._started, self._due = time.time(), time.monotonic() + PERIOD
        self._taken = self._tasks = 0

    def worked(self, name: str, *, tasks: int = 0) -> None:
        """A task or request of that name has ended: take samples if it is time.

        Args:
            name: The task's or the route's.
            tasks: How many tasks that were.
        """
        self._tasks += tasks
        bursts.worked(name)
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
        client.errand(partial(_look_for_order, self._name))

    def _figures(self) -> Iterator[tuple[str, float]]:
        generations = gc.get_stats()
        yield "process_resident_memory_bytes", resident_bytes()
        yield "process_start_time_seconds", self._started
        yield "process_allocated_blocks", sys.getallocatedblocks()
        yield "process_gc_collections", generations[-1]["collections"]
        yield "process_gc_uncollectable", sum(one["uncollectable"] for one in generations)
        yield "process_threads", threading.active_count()
        yield "process_tasks_done", self._tasks
        if _TELLS_OPEN:
            yield "process_open_fds", len(os.listdir(_OPEN))  # noqa: PTH208 - a path for each costs more
        if self._taken % SLOW == 0:
            yield from self._slow_figures()

    def _slow_figures(self) -> Iterator[tuple[str, float]]:
        limits = [one for one in (memory_limit(), self.pool_limit) if one is not None]
        for name, value in (
            ("process_unique_memory_bytes", unique_bytes()),
            ("process_memory_limit_bytes", min(limits, default=None)),
        ):
            if value is not None:
                yield name, value


@guarded("memory order")
def _look_for_order(process: str, shipper: Shipper) -> None:
    found = shipper.look(process)
    if found is not None:
        bursts.begin(Order.read(found), process)


vitals = Vitals()
"""This process's."""

os.register_at_fork(after_in_child=vitals.begin)
