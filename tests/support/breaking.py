"""Processes at one breaker, and a breaker whose wait is just over."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from support.servers import ROOT

from watchfleet.breaker import shared


class Callers:
    """Processes that call through breakers when they are told to."""

    def __init__(self, processes: list["subprocess.Popen[str]"]) -> None:
        self.processes = processes

    def ask(self, name: str) -> list[str]:
        """Have all ask that breaker at once; what each says of being let through."""
        self.tell(name)
        return self.hear()

    def tell(self, line: str) -> None:
        """Tell all; anything ends the call of those that were let through."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{line}\n")
            process.stdin.flush()

    def hear(self) -> list[str]:
        return [process.stdout.readline().strip() for process in self.processes if process.stdout]


@contextmanager
def callers(url: str, count: int, *, permits: int, lease: float = 60) -> Iterator[Callers]:
    command = [sys.executable, ROOT / "tests/support/breaker_caller.py", url, str(permits), str(lease)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    try:
        found = Callers(processes)
        assert found.hear() == ["ready"] * count
        yield found
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def wait_is_over(redis: "Redis", name: str) -> None:
    """A breaker that was open until now."""
    redis.hset(shared.keys_of(name).state, mapping={"state": "OPEN", "until": 1, "generation": 1})
