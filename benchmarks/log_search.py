"""Log search on a gigabyte beside ripgrep: all hits, the newest errors, an hour of sixty, the last lines.

The ratio is the worst of the CPU times for all hits, ours over ripgrep's. `tail` and ripgrep run as
processes, so their start is in their times; the memory is what the process has beyond what it had before, at
its highest.
"""

import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from benchmarks import _harness
from watchfleet.logs import match
from watchfleet.logs.files import LogRoot
from watchfleet.logs.query import Query
from watchfleet.logs.search import count, search
from watchfleet.logs.tail import last_records

HOURS = 60
START = datetime(2026, 11, 20, tzinfo=UTC)
QUESTIONS = {
    "rare literal": ("needle-7f3a9c", False),
    "frequent literal": (" ERROR [", False),
    "ignoring case": ("NEEDLE-7F3A9C", True),
    "class": (r"java\.net\.\w+Exception", False),
    "alternatives": (r"WARN.*(refused|timed out|broken)", False),
    "address": (r"Failed password for \S+ from \d+\.\d+\.\d+\.\d+", False),
}
MESSAGES = (
    (
        " INFO [main] org.example.shop.Cart: Progress of attempt_{a} is : 0.{b} and some more words about it",
        940,
    ),
    (" WARN [net-{a}] org.example.net.Client: Address {b}: Connection refused, timed out or broken pipe", 15),
    (
        " WARN [net] org.example.net.Client: Address change detected. Old: host-{a}:8030 New: host-{b}:8030",
        27,
    ),
    (" ERROR [pool-{a}] org.example.shop.Pay: order {b} could not be paid", 17),
    (" INFO [auth] sshd: Failed password for root from 10.1.{a}.7 port {b} ssh2", 1),
)


def main() -> None:
    size = 64 * 1024**2 if _harness.quick() else 1024**3
    rg = shutil.which("rg")
    if rg is None:
        sys.exit("ripgrep (rg) is not installed: make peers")
    folder = Path(tempfile.mkdtemp(prefix="watchfleet-bench-"))
    try:
        path = folder / "app.log"
        write(path, size)
        measure(rg, path, 3 if size < 1024**3 else 5)
    finally:
        shutil.rmtree(folder)


def measure(rg: str, path: Path, rounds: int) -> None:
    root = LogRoot(path.parent)
    warm(path)
    before = resident()
    all_hits = {name: hits(rg, root, path, rounds, question) for name, question in QUESTIONS.items()}
    times = reading(root, path, rounds)
    grown = resident() - before
    worst = max(one["ratio"] for one in all_hits.values())
    _harness.report(
        "log_search",
        worst,
        "<= 1.8 with hyperscan, <= 4 without",
        ours=max(one["ours"] for one in all_hits.values()),
        peer=max(one["peer"] for one in all_hits.values()),
        unit="s of CPU",
        megabytes=round(path.stat().st_size / 1e6),
        hyperscan=match.hyperscan is not None,
        all_hits=all_hits,
        **times,
        goals_ms={"newest_100_errors": 10, "one_hour": 50, "last_100_lines": 5},
        memory_mib=round(grown, 1),
        memory_goal="<= 64",
    )


def hits(rg: str, root: LogRoot, path: Path, rounds: int, question: tuple[str, bool]) -> dict[str, float]:
    """CPU seconds for all hits, ours in both forms and ripgrep's, in turn; the least of the rounds."""
    pattern, ignore_case = question
    plain = (
        {"text": pattern}
        if re.escape(pattern) == pattern or ("\\" not in pattern and "(" not in pattern)
        else {}
    )
    query = Query(files=(path.name,), ignore_case=ignore_case, **(plain or {"pattern": pattern}))
    command = [
        rg,
        "--no-mmap",
        "-c",
        *(["-i"] if ignore_case else []),
        *(["-F"] if plain else []),
        pattern,
        str(path),
    ]
    ours, without, peer, found = [], [], [], set()
    for _ in range(rounds):
        found.add(cpu(lambda: count(root, query, seconds=600)[0], ours))
        with no_hyperscan():
            found.add(cpu(lambda: count(root, query, seconds=600)[0], without))
        found.add(cpu_of_child(command, peer))
    assert len(found) == 1, (pattern, found)
    return {
        "hits": found.pop(),
        "ours": round(min(ours), 3),
        "re2": round(min(without), 3),
        "peer": round(min(peer), 3),
        "ratio": round(min(ours) / min(peer), 2),
        "ratio_re2": round(min(without) / min(peer), 2),
    }


def reading(root: LogRoot, path: Path, rounds: int) -> dict[str, float]:
    """Milliseconds of wall time for what operators ask most; medians."""
    hour = int((START + timedelta(hours=HOURS // 2)).timestamp() * 1e6)
    questions: dict[str, Callable[[], int]] = {
        "newest_100_errors": lambda: len(search(root, Query(files=(path.name,), level="ERROR")).records),
        "one_hour": lambda: (
            search(
                root, Query(files=(path.name,), text="needle-7f3a9c", start=hour, end=hour + 3600 * 10**6)
            ).files
        ),
        "last_100_lines": lambda: len(last_records(root, path.name, 100)),
        "tail_process": lambda: len(
            subprocess.run(
                ["tail", "-n", "100", str(path)], capture_output=True, check=True
            ).stdout.splitlines()
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in questions}
    for _ in range(rounds * 4):
        for name, ask in questions.items():
            began = time.perf_counter()
            assert ask() in {1, 100}
            times[name].append(time.perf_counter() - began)
    return {f"{name}_ms": round(median(values) * 1000, 2) for name, values in times.items()}


class no_hyperscan:  # noqa: N801 - used as a function
    """As if the extra `search` were not installed."""

    def __enter__(self) -> None:
        self._module, match.hyperscan = match.hyperscan, None

    def __exit__(self, *_: object) -> None:
        match.hyperscan = self._module


def cpu(work: Callable[[], int], seconds: list[float]) -> int:
    began = time.process_time()
    found = work()
    seconds.append(time.process_time() - began)
    return found


def cpu_of_child(command: list[str], seconds: list[float]) -> int:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return int(done.stdout)


def resident() -> float:
    """MiB that the process had at its highest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def warm(path: Path) -> None:
    """Have the file in the page cache."""
    with path.open("rb") as file:
        while file.read(1 << 20):
            pass


def write(path: Path, size: int) -> None:
    """A log of sixty hours, in order of time, with rare and frequent lines."""
    chance = random.Random(1)
    kinds = [text for text, weight in MESSAGES for _ in range(weight)]
    lines = size // 116
    step = timedelta(hours=HOURS) / lines
    rare = {lines * part // 7 for part in range(1, 7)} | {lines // 2 + 1}
    with path.open("w") as file:
        for number in range(lines):
            at = START + step * number
            text = kinds[int(chance.random() * len(kinds))].format(a=number % 97, b=number % 8999)
            if number % 3407 == 0:
                text += " java.net.ConnectException: no route"
            if number in rare:
                text += " needle-7f3a9c"
            file.write(f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d}{text}\n")


if __name__ == "__main__":
    main()
