"""Processes that outlived their supervisor: found by a mark in their environment, and ended.

A supervisor that is killed with SIGKILL takes nothing with it. Each process of a fleet carries its data
directory in its environment, which survives every fork and exec and cannot be mistaken for another's.
"""

import os
import signal
import time
from contextlib import suppress
from typing import Final

import psutil

from watchfleet.embedded.directory import DataDirectory

MARK: Final = "WATCHFLEET_SUPERVISED_IN"
"""The variable; its value is the data directory."""
_GROUP: Final = "SUPERVISOR_GROUP_NAME"
_SERVERS: Final = "servers"


def find(directory: DataDirectory) -> list[psutil.Process]:
    """The processes that carry the mark of this data directory."""
    return [process for process in psutil.process_iter() if _mark(process).get(MARK) == str(directory.path)]


def sweep(directory: DataDirectory, patience: float = 12) -> int:
    """End every process of this data directory, the servers last; return how many there were.

    Args:
        directory: Whose processes.
        patience: Seconds that each of the two groups gets before it is killed; 0 kills at once.
    """
    found = find(directory)
    servers = [process for process in found if _mark(process).get(_GROUP) == _SERVERS]
    _end([process for process in found if process not in servers], patience)
    _end(servers, patience)
    _end(find(directory), 0)  # what was forked meanwhile
    return len(found)


def _end(processes: list[psutil.Process], patience: float) -> None:
    if not processes:
        return
    if patience:
        for process in _roots(processes):
            with suppress(psutil.Error):
                process.send_signal(_stop_signal(process))
        _await(processes, patience)
    for process in filter(_lives, processes):
        with suppress(psutil.Error):
            process.kill()
    _await(processes, 5)


def _await(processes: list[psutil.Process], seconds: float) -> None:
    """Wait until none of them is more than a zombie, which only its parent can take away."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(_lives(process) for process in processes):
        time.sleep(0.02)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _roots(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those whose parent is none of them: a parent knows best how to end its children."""
    pids = {process.pid for process in processes}
    roots = []
    for process in processes:
        with suppress(psutil.Error):
            if process.ppid() not in pids:
                roots.append(process)
    return roots


def _stop_signal(process: psutil.Process) -> signal.Signals:
    """PostgreSQL waits for its clients on SIGTERM, and ends at once, cleanly, on SIGINT."""
    return signal.SIGINT if process.name() == "postgres" else signal.SIGTERM


def _mark(process: psutil.Process) -> dict[str, str]:
    if process.pid == os.getpid():
        return {}
    try:
        return dict(process.environ())
    except (psutil.Error, OSError):
        return {}
