"""What runs at the moment: one row a process, for `up`, `status` and `doctor`."""

import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfleet.embedded import usage
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.state import State
from watchfleet.embedded.supervisord import SOCKET, Process, Supervisor

RUNNING: Final = "RUNNING"
_SPAWNED: Final = re.compile(r"INFO spawned: '([^']+)' with pid")
_BEGINNING: Final = "supervisord started with pid"


@dataclass(frozen=True, slots=True)
class Row:
    """One process.

    Attributes:
        name: Its name.
        state: supervisord's word for how it is; RUNNING is well.
        pid: Its pid, 0 when it does not run.
        uptime_seconds: Since its last start.
        restarts: How often it was started again since the fleet started.
        memory_bytes: See `Usage`.
        cpu_seconds: See `Usage`.
        cpu_percent: Of one core, on average since its last start, as `ps` counts it.
        purpose: What it does.
        note: supervisord's own words, when it does not run.
    """

    name: str
    state: str
    pid: int
    uptime_seconds: float
    restarts: int
    memory_bytes: int
    cpu_seconds: float
    cpu_percent: float
    purpose: str
    note: str

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self.state == RUNNING


def supervisor_of(directory: DataDirectory, state: State) -> Supervisor:
    """The client for the directory's supervisord, whether it runs or not."""
    return Supervisor((state.runtime or directory.path) / SOCKET)


def rows(directory: DataDirectory, state: State) -> list[Row]:
    """Every process of the running fleet, in the order in which they start, supervisord last.

    Raises:
        FleetError: supervisord does not answer.
    """
    client = supervisor_of(directory, state)
    processes = {process.name: process for process in client.processes()}
    counts, now = restarts(directory), time.time()
    found = [
        _row(process, usage.of_tree(process.pid), one.purpose, counts[one.name], now)
        for one in state.processes
        if (process := processes.get(one.name))
    ]
    itself = client.itself()
    return [
        *found,
        _row(itself, usage.of_process(itself.pid), "starts the others again when they end", 0, now),
    ]


def restarts(directory: DataDirectory) -> Counter[str]:
    """How often each process was started again, as supervisord's log tells it."""
    counts: Counter[str] = Counter()
    for line in _log_lines(directory.log / "supervisord.log"):
        if _BEGINNING in line:
            counts.clear()
        elif found := _SPAWNED.search(line):
            counts[found[1]] += 1
    return Counter({name: count - 1 for name, count in counts.items()})


def _log_lines(path: Path) -> Iterable[str]:
    for generation in (path.with_name(f"{path.name}.1"), path):
        if generation.exists():
            with generation.open(encoding="utf-8", errors="replace") as file:
                yield from file


def _row(process: Process, used: usage.Usage, purpose: str, restarted: int, now: float) -> Row:
    uptime = max(0.0, now - process.started) if process.pid else 0.0
    return Row(
        process.name,
        process.state,
        process.pid,
        round(uptime, 1),
        restarted,
        used.memory_bytes,
        round(used.cpu_seconds, 2),
        round(100 * used.cpu_seconds / uptime, 2) if uptime else 0.0,
        purpose,
        process.note,
    )
