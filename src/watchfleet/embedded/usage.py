"""What processes cost: memory counted once however many share it, and processor time."""

from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its descendants use.

    Attributes:
        memory_bytes: Memory; on Linux the proportional set size (PSS), in which a page that n processes
            share counts a nth for each, so that the sum over processes is what they take together.
        cpu_seconds: Processor time since the process started, with that of its descendants, living or gone.
    """

    memory_bytes: int = 0
    cpu_seconds: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.memory_bytes + other.memory_bytes, self.cpu_seconds + other.cpu_seconds)


def of_tree(pid: int) -> Usage:
    """What a process and its descendants use; nothing when there is no such process."""
    if not pid:
        return Usage()
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return Usage()
    return sum((_of(process) for process in family), Usage())


def of_process(pid: int) -> Usage:
    """What one process uses, without its descendants; nothing when there is no such process."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        times = process.cpu_times()
        return Usage(_memory(process), times.user + times.system)
    return Usage()


def _of(process: psutil.Process) -> Usage:
    with suppress(psutil.Error):
        times = process.cpu_times()
        spent = times.user + times.system
        # What the kernel adds when a child is reaped; on macOS there is no such count.
        spent += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        return Usage(_memory(process), spent)
    return Usage()


def _memory(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    return int(getattr(full, "pss", full.uss))
