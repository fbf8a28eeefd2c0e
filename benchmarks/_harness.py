"""What every benchmark needs: a PostgreSQL of its own, rounds that alternate, and the line at the end."""

import argparse
import json
import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psycopg2

from watchfleet.db import schema
from watchfleet.db.engine import get_engine
from watchfleet.embedded import postgres
from watchfleet.embedded.ports import free_port
from watchfleet.settings import get_settings

ROOT = Path(__file__).parents[1]
# For data of gigabytes; durable, as everywhere: fsync, full_page_writes and synchronous_commit stay on.
CONFIGURATION = """
shared_buffers = 1GB
max_wal_size = 8GB
checkpoint_timeout = 15min
autovacuum = off
log_min_duration_statement = -1
"""


def quick() -> bool:
    """Whether `--quick` asks for a small run, which shows that the benchmark works and little else."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a small run")
    return bool(parser.parse_args().quick)


@contextmanager
def store() -> Iterator[str]:
    """A PostgreSQL with our schema in a temporary folder; `DATABASE_URL` names it."""
    with tempfile.TemporaryDirectory(prefix="watchfleet-bench-") as folder:
        Path(folder).chmod(0o755)
        data, port, password = Path(folder) / "data", free_port(), secrets.token_hex(16)
        postgres.initialise(data, password)
        with (data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION)
        url = postgres.url(port, password)
        with _served(postgres.serve_command(data, port), Path(folder) / "log", url):
            os.environ["DATABASE_URL"] = url
            get_settings.cache_clear()
            schema.upgrade(ROOT)
            try:
                yield url
            finally:
                get_engine().dispose()


@contextmanager
def _served(command: list[str], log: Path, url: str) -> Iterator[None]:
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait(url)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def _wait(url: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            psycopg2.connect(url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


@dataclass
class Times:
    """Seconds of each round, by contestant, and the share of them that this process waited for a core."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    waited: dict[str, list[float]] = field(default_factory=dict)

    def add(self, other: "Times") -> None:
        """Take in the rounds of another measurement."""
        for mine, theirs in ((self.seconds, other.seconds), (self.waited, other.waited)):
            for name, values in theirs.items():
                mine.setdefault(name, []).extend(values)

    def median(self, name: str) -> float:
        """The median of a contestant's rounds."""
        return median(self.seconds[name])

    def wait(self) -> dict[str, float]:
        """The median share of waiting, by contestant."""
        return {name: round(median(shares), 3) for name, shares in self.waited.items()}


def alternate(rounds: int, contestants: Mapping[str, Callable[[int], Any]]) -> Times:
    """Time each contestant in each round, in turn, the first to go changing; called with the round."""
    times = Times()
    for number in range(rounds):
        order = list(contestants)
        for name in order if number % 2 == 0 else order[::-1]:
            waited, began = _waited(), time.perf_counter()
            contestants[name](number)
            took = time.perf_counter() - began
            times.seconds.setdefault(name, []).append(took)
            times.waited.setdefault(name, []).append((_waited() - waited) / took)
    return times


def _waited() -> float:
    """Seconds that this process was ready to run and had no core."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def report(name: str, ratio: float, goal: str, **more: Any) -> None:
    """Print the result as one line of JSON: the last line of a benchmark."""
    print(json.dumps({"name": name, "ratio": round(ratio, 3), "goal": goal, **more}))
