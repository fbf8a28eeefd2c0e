"""Which lines of a block or function allocate what is kept afterwards."""

import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from watchfleet.instrument.bursts import grown, report
from watchfleet.instrument.faults import guarded

_lock = threading.Lock()


@dataclass(slots=True)
class Growth:
    """What was allocated in the block and is still there, once it has ended.

    Attributes:
        lines: The lines that allocated the most of it: `line`, `bytes`, `blocks` and `source` of each.
    """

    lines: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def track_memory(name: str) -> Iterator[Growth]:
    """Tell which lines allocate what a block or function keeps; as a decorator, or around a block.

    What it finds is among the snapshots of `watchfleet memory snapshots`, under that name, and in `lines` of
    what the block is given. Everything in this process is several times slower meanwhile.

    Args:
        name: What it is shown as, up to 200 characters.
    """
    growth = Growth()
    with _tracing():
        before = tracemalloc.take_snapshot()
        try:
            yield growth
        finally:
            growth.lines = grown(before, tracemalloc.take_snapshot())
            _tell(name[:200], growth.lines)


@contextmanager
def _tracing() -> Iterator[None]:
    """Have tracemalloc on; it stays as it was if somebody else has it on."""
    with _lock:
        began = not tracemalloc.is_tracing()
        if began:
            tracemalloc.start(1)
    try:
        yield
    finally:
        if began:
            tracemalloc.stop()


@guarded("track_memory")
def _tell(name: str, lines: list[dict[str, Any]]) -> None:
    report(uuid4().hex, name, {"tasks": 1}, lines)
