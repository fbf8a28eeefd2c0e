"""Which lines allocate what is kept: tracemalloc, for a few tasks of one process, when it is asked for.

Always on it would make a task many times slower. Here it records one frame for each block, from the end of
one task to that of the last of so many, and ends by itself: after its tasks, after its seconds, with its
process, or when its own bookkeeping takes more memory than it may. What is there after the first few tasks is
taken off, so that what is allocated once and kept is not taken for what grows.
"""

import json
import linecache
import os
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from watchfleet.instrument.faults import guarded
from watchfleet.instrument.lifetime import lifetime
from watchfleet.model import Activity, Kind

WARM_UP: Final = 5
"""Tasks, or a quarter of them if that is less, whose allocations are not counted."""
LINES: Final = 10
"""How many lines are told."""
BOOKKEEPING: Final = 8 << 20
"""Bytes that tracemalloc's own records may take: 100,000 blocks or so, a fifth of a second to list."""
MOST_TASKS: Final = 100_000
MOST_SECONDS: Final = 600.0
GROWTH: Final = "process_memory_line_bytes"
"""The metric of what a line allocated and kept during the last snapshot."""
_OURS: Final = str(Path(__file__).parent)
_LONGEST_SOURCE: Final = 200
_LONGEST_FIELD: Final = 1000


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is asked for.

    Attributes:
        id: The snapshot's.
        tasks: After how many tasks it ends.
        seconds: After how many seconds it ends.
        until: When it is too late to begin, in Unix seconds.
    """

    id: str
    tasks: int
    seconds: float
    until: float

    @classmethod
    def read(cls, given: Any) -> "Order":
        """The order that a message holds.

        Raises:
            ValueError, TypeError, KeyError: It holds none.
        """
        tasks = min(max(1, int(given["tasks"])), MOST_TASKS)
        seconds = min(max(0.1, float(given["seconds"])), MOST_SECONDS)
        return cls(str(given["id"]), tasks, seconds, float(given["until"]))


@dataclass(slots=True)
class _Burst:
    order: Order
    process: str
    timer: threading.Timer
    began: float = field(default_factory=time.monotonic)
    ran: Counter[str] = field(default_factory=Counter)
    first: tracemalloc.Snapshot | None = None


class Bursts:
    """The one of this process, if there is one."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Be in no burst, as a forked child is."""
        if getattr(self, "_burst", None) is not None:
            tracemalloc.stop()
        self._burst: _Burst | None = None
        self._lock = threading.Lock()

    def begin(self, order: Order, process: str) -> None:
        """Begin one, unless it is too late or tracemalloc is in use already."""
        with self._lock:
            if self._burst is not None or time.time() > order.until:
                return
            if tracemalloc.is_tracing():
                report(order.id, process, {"error": "tracemalloc is in use in this process already"})
                return
            timer = threading.Timer(order.seconds, self._end, [order.id])
            timer.daemon = True
            self._burst = _Burst(order, process, timer)
            tracemalloc.start(1)
            timer.start()

    def worked(self, name: str) -> None:
        """A task or request of that name has ended."""
        burst = self._burst
        if burst is None:
            return
        burst.ran[name] += 1
        done = burst.ran.total()
        if burst.first is None and done >= min(WARM_UP, burst.order.tasks // 4):
            burst.first = tracemalloc.take_snapshot()
        if done >= burst.order.tasks or tracemalloc.get_tracemalloc_memory() > BOOKKEEPING:
            self._end(burst.order.id)

    def finish(self) -> None:
        """The process ends: tell what is known so far."""
        burst = self._burst
        if burst is not None:
            self._end(burst.order.id)

    @guarded("memory snapshot")
    def _end(self, name: str) -> None:
        with self._lock:
            burst = self._burst
            if burst is None or burst.order.id != name:
                return
            self._burst = None
            burst.timer.cancel()
            spent = tracemalloc.get_tracemalloc_memory()
            last = tracemalloc.take_snapshot() if burst.first is not None else None
            tracemalloc.stop()
        if burst.first is None or last is None:
            report(name, burst.process, {**_facts(burst, spent), "error": "too few tasks ended meanwhile"})
            return
        lines = grown(burst.first, last)
        report(name, burst.process, _facts(burst, spent), lines)
        _observe(burst.process, lines)


def grown(before: tracemalloc.Snapshot, after: tracemalloc.Snapshot) -> list[dict[str, Any]]:
    """The lines that allocated the most between two snapshots and kept it.

    Returns:
        `line`, `bytes`, `blocks` and `source` of each, the one that kept the most bytes first.
    """
    # Our own share is left out of the few lines here: a filter of theirs would match each block by itself.
    changed = [one for one in after.compare_to(before, "lineno") if one.size_diff > 0 and not _is_ours(one)]
    changed.sort(key=lambda one: -one.size_diff)
    return [_line(one) for one in changed[:LINES]]


def report(name: str, process: str, fields: dict[str, Any], lines: Sequence[dict[str, Any]] = ()) -> None:
    """Tell the fleet of a snapshot.

    Args:
        name: The snapshot's.
        process: Whose it is.
        fields: What is known of it.
        lines: The lines that grew.
    """
    client = lifetime.client
    if client is None:
        return
    told = {str(place): json.dumps(line)[:_LONGEST_FIELD] for place, line in enumerate(lines)}
    client.record(
        Activity("memory", time.time(), name, process, {"service": client.service, **fields, **told})
    )
    client.hurry()


def _facts(burst: _Burst, bookkeeping: int) -> dict[str, Any]:
    return {
        "tasks": burst.ran.total(),
        "ran": json.dumps(dict(burst.ran.most_common(LINES)))[:_LONGEST_FIELD],
        "duration": time.monotonic() - burst.began,
        "bookkeeping_bytes": bookkeeping,
    }


def _observe(process: str, lines: Iterable[dict[str, Any]]) -> None:
    """Each line as a sample, for alerts."""
    client = lifetime.client
    if client is None:
        return
    for place, line in enumerate(lines, 1):
        series = client.series(GROWTH, Kind.GAUGE, process=process, rank=str(place), line=line["line"])
        client.observe(series, line["bytes"])


def _is_ours(one: tracemalloc.StatisticDiff) -> bool:
    return one.traceback[0].filename.startswith((tracemalloc.__file__, _OURS))


def _line(one: tracemalloc.StatisticDiff) -> dict[str, Any]:
    frame = one.traceback[0]
    source = linecache.getline(frame.filename, frame.lineno).strip()[:_LONGEST_SOURCE]
    line = f"{_short(frame.filename)}:{frame.lineno}"[-_LONGEST_SOURCE:]
    return {"line": line, "bytes": one.size_diff, "blocks": one.count_diff, "source": source}


def _short(path: str) -> str:
    """A path as people know it: below the folder of the application, or of the packages."""
    for folder in (f"site-packages{os.sep}", f"{Path.cwd()}{os.sep}"):
        _, found, rest = path.rpartition(folder)
        if found:
            return rest
    return path


bursts = Bursts()
"""This process's."""

os.register_at_fork(after_in_child=bursts.forget)
