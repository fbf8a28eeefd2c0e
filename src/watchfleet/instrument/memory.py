"""How much memory this process has."""

import os
import resource
import sys
from pathlib import Path
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STATM: Final = "/proc/self/statm"
_ROLLUP: Final = Path("/proc/self/smaps_rollup")
_CGROUP: Final = Path("/sys/fs/cgroup/memory.max")
# macOS counts bytes, others kilobytes.
_UNIT: Final = 1 if sys.platform == "darwin" else 1024


def resident_bytes() -> int:
    """What of its memory is in RAM; where the system does not tell, the most that it ever was."""
    try:
        return int(_read(_STATM).split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


def _read(path: str) -> bytes:
    """A short file of the system's, at half the cost of a file object; it may be read after every task."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 1000)
    finally:
        os.close(file)


def unique_bytes() -> int | None:
    """What would be free without this process: memory that it shares with none; None where nothing tells.

    The system walks through all of its pages for it: 20 µs for each MB.
    """
    try:
        lines = _ROLLUP.read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024
    except (OSError, IndexError, ValueError):
        return None


def memory_limit() -> int | None:
    """At what size the process is killed: its container's limit, else the machine's memory."""
    try:
        return int(_CGROUP.read_text())
    except (OSError, ValueError):  # no container, or "max"
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * _PAGE
    except (OSError, ValueError):
        return None
