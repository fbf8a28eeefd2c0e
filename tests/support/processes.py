"""Real beats and workers of the fleet, as processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from support.servers import ROOT, wait_until

READY = " ready."
"""What a worker logs when it consumes."""


class Process:
    """A running `celery -A workers ...`.

    Args:
        arguments: The command after the application.
        log: Where its output goes.
        variables: Its environment beyond ours.
    """

    def __init__(self, *arguments: str, log: Path, **variables: str) -> None:
        self.log = log
        path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "workers", *arguments],
                env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def runs(self) -> bool:
        return self._popen.poll() is None

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def wait(self, seconds: float = 30) -> int:
        """The exit code."""
        return self._popen.wait(seconds)

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until it has written `text`; fail at once when it ended before."""
        wait_until(lambda: self.output().count(text) >= times or not self.runs, 60)
        assert self.output().count(text) >= times, self.output()

    def kill(self) -> None:
        """Kill it and its children, whatever state they are in."""
        if self.runs:
            for process in (*self.children(), self._popen):
                process.kill()
        self._popen.wait(10)


@contextmanager
def started(*arguments: str, log: Path, **variables: str) -> Iterator[Process]:
    """A process that is gone at the end of the block."""
    process = Process(*arguments, log=log, **variables)
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def worker(pool: str, log: Path, *arguments: str, **variables: str) -> Iterator[Process]:
    """A ready worker of the upkeep queue that also knows the tasks of `support.worker_tasks`."""
    queue = () if any(one.startswith("--queues") for one in arguments) else ("--queues=watchfleet.upkeep",)
    with started(
        "worker",
        f"--pool={pool}",
        "--include=support.worker_tasks",
        "--loglevel=INFO",
        "--without-gossip",
        "--without-mingle",
        *queue,
        *arguments,
        log=log,
        **variables,
    ) as process:
        process.wait_for(READY)
        yield process
