"""A broker and a worker of the fleet, for what goes the whole way."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks._harness import ROOT
from watchfleet import fleet
from watchfleet.embedded import valkey
from watchfleet.embedded.ports import free_port


@contextmanager
def broker() -> Iterator[str]:
    """A Valkey as `watchfleet up` configures it; its address."""
    with tempfile.TemporaryDirectory(prefix="watchfleet-bench-") as folder:
        port, password = free_port(), secrets.token_hex(16)
        configuration = valkey.configure(Path(folder) / "valkey", port, password)
        with process(valkey.serve_command(configuration), Path(folder) / "log"):
            await_port(port)
            yield valkey.url(port, password)


def await_port(port: int, seconds: float = 30) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


@contextmanager
def worker(queue: str, broker_url: str, log: Path) -> Iterator[int]:
    """The worker family of a queue, as the fleet starts it; its process id."""
    family = next(family for family in fleet.families() if queue in family.queues)
    command = [sys.executable, "-m", "celery", "-A", "workers", *family.arguments()]
    with process(command, log, BROKER_URL=broker_url, CACHE_URL=broker_url) as started:
        yield started


@contextmanager
def process(command: list[str], log: Path, **variables: str) -> Iterator[int]:
    """A process that ends with the block; its id."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | variables, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield started.pid
    finally:
        started.terminate()
        started.wait(60)


def memory(parent: int) -> int:
    """MiB that a process and its children have in memory that nobody shares with them."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return sum(_private(pid) for pid in (str(parent), *children)) // 1024


def _private(pid: str) -> int:
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Private_"))
