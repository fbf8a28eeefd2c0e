"""How long a health endpoint takes while every dependency hangs, at 50 requests a second.

PostgreSQL and Valkey are stopped by SIGSTOP: they accept connections and answer nothing. The limit beside us
is an endpoint of the same server, gunicorn as the fleet configures it, that returns a constant. Each request
is a connection of its own, as health checks make them, and is sent at its time, whether the others were
answered or not; the two are asked in turn.
"""

import http.client
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import psutil

from benchmarks import _harness, _worker
from watchfleet.embedded.ports import free_port

PACE: Final = 50
"""Requests a second to each."""
GOAL_MS: Final = 5.0
CONSTANT: Final = """
from flask import Flask

app = Flask(__name__)


@app.get("/health/ready")
def ready():
    return {"status": "fail"}, 503
"""


def main() -> None:
    seconds = 3 if _harness.quick() else 30
    with (
        tempfile.TemporaryDirectory(prefix="watchfleet-bench-") as folder,
        _harness.store(),
        _worker.broker() as broker,
    ):
        (Path(folder) / "constant.py").write_text(CONSTANT)
        variables = {
            "BROKER_URL": broker,
            "DEPENDENCY_INTERVAL": "1s",
            "PYTHONPATH": f"{folder}:{_harness.ROOT}",
        }
        with (
            server("workers.web:app", Path(folder) / "ours", variables) as ours,
            server("constant:app", Path(folder) / "limit", variables) as limit,
            hanging(),
        ):
            time.sleep(6)  # what was read before is old by now
            took = _ask({"ours": ours, "limit": limit}, seconds * PACE)
    p99 = {name: round(quantiles(times, n=100)[-1], 2) for name, times in took.items()}
    _harness.report(
        "health_latency",
        GOAL_MS / p99["ours"],
        f"p99 < {GOAL_MS:g} ms while every dependency hangs",
        ours=p99["ours"],
        peer=p99["limit"],
        unit="ms, p99",
        p50={name: round(median(times), 2) for name, times in took.items()},
        requests=seconds * PACE,
        load=os.getloadavg()[0],
    )


@contextmanager
def server(app: str, log: Path, variables: dict[str, str]) -> Iterator[int]:
    """A gunicorn as the fleet's; its port."""
    port = free_port()
    options = ["-c", str(_harness.ROOT / "workers" / "gunicornconf.py"), "-b", f"127.0.0.1:{port}"]
    with _worker.process([sys.executable, "-m", "gunicorn", *options, app], log, **variables):
        _worker.await_port(port)
        ask(port)
        yield port


@contextmanager
def hanging() -> Iterator[None]:
    """PostgreSQL and Valkey answer nothing."""
    servers = [
        one
        for one in psutil.Process().children(recursive=True)
        if one.name().startswith(("postgres", "valkey"))
    ]
    for one in servers:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in servers:
            one.send_signal(signal.SIGCONT)


def _ask(ports: dict[str, int], count: int) -> dict[str, list[float]]:
    """Milliseconds of each request, from the time at which it was due."""
    began = time.perf_counter() + 0.1
    with ExitStack() as stack:
        sent = {}
        for place, (name, port) in enumerate(ports.items()):
            pool = stack.enter_context(ThreadPoolExecutor(8))
            due = [began + (number + place / 2) / PACE for number in range(count)]
            sent[name] = [pool.submit(_ask_at, port, at) for at in due]
        return {name: [one.result() for one in those] for name, those in sent.items()}


def _ask_at(port: int, due: float) -> float:
    time.sleep(max(0.0, due - time.perf_counter()))
    assert ask(port) == 503, "the dependencies hang"
    return (time.perf_counter() - due) * 1000


def ask(port: int) -> int:
    """The status of the answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        answer.read()
        return answer.status


if __name__ == "__main__":
    main()
