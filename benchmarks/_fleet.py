"""The processes that a notification passes through, beside a Debian Alertmanager, for benchmarks."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

from benchmarks import _harness
from watchfleet.embedded import valkey
from watchfleet.embedded.ports import free_port
from watchfleet.fleet import channel_queue

ALERTMANAGER = shutil.which("prometheus-alertmanager")
_WORKER = [
    sys.executable, "-m", "celery", "-A", "workers", "worker", "--pool=threads", "--concurrency=8",
    "--without-gossip", "--without-mingle", "--loglevel=WARNING", f"--queues={channel_queue('webhook')}",
]  # fmt: skip


class Receiver:
    """Takes webhooks, and notes when each alert arrived first.

    Attributes:
        arrived: By the label `n` of the alert, by the clock of `time.perf_counter`.
        doubled: How many came more than once.
    """

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}
        self.doubled = 0
        self.changed = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                now = time.perf_counter()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.changed:
                    for alert in body["alerts"]:
                        outer.doubled += alert["labels"]["n"] in outer.arrived
                        outer.arrived.setdefault(alert["labels"]["n"], now)
                    outer.changed.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def wait(self, count: int, seconds: float) -> bool:
        """Wait until so many alerts have arrived."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.arrived) >= count, seconds)

    def clear(self) -> None:
        """Forget what has arrived."""
        with self.changed:
            self.arrived.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Contestant:
    """An Alertmanager, or us.

    Attributes:
        url: Its address.
        receiver: Where it delivers to.
        processes: What it consists of.
    """

    def __init__(self, url: str, receiver: Receiver, processes: list[subprocess.Popen[bytes]]) -> None:
        self.url, self.receiver = url, receiver
        self.processes = [psutil.Process(process.pid) for process in processes]

    def post(self, alerts: list[dict[str, Any]]) -> None:
        """Post alerts to `/api/v2/alerts`."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts", json.dumps(alerts).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200

    def cpu(self) -> float:
        """Seconds of CPU that its processes have used so far."""
        found = [
            *self.processes,
            *(child for one in self.processes for child in one.children(recursive=True)),
        ]
        return sum(sum(one.cpu_times()[:2]) for one in found)


CONFIG = """
route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 5m}}
receivers: [{{name: hook, webhook_configs: [{{url: '{url}'}}]}}]
"""


@contextmanager
def ours() -> Iterator[Contestant]:
    """PostgreSQL, Valkey, a worker for webhooks, a dispatcher and the web process."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="watchfleet-bench-")))
        database = stack.enter_context(_harness.store())
        receiver, port, broker_port = _receiver(stack), free_port(), free_port()
        (folder / "am.yml").write_text(CONFIG.format(url=receiver.url))
        (folder / "valkey").mkdir()
        broker = valkey.serve_command(valkey.configure(folder / "valkey", broker_port, "bench-password"))
        variables = {
            **os.environ,
            "DATABASE_URL": database,
            "BROKER_URL": valkey.url(broker_port, "bench-password"),
            "NOTIFY_CONFIG": str(folder / "am.yml"),
        }
        gunicorn = [sys.executable, "-m", "gunicorn", "--config=workers/gunicornconf.py"]
        commands = [
            broker,
            _WORKER,
            [sys.executable, "-m", "workers.dispatcher"],
            [*gunicorn, f"--bind=127.0.0.1:{port}", "workers.web:app"],
        ]
        started = [stack.enter_context(_running(command, folder, variables)) for command in commands]
        url = f"http://127.0.0.1:{port}"
        _wait(lambda: _answers(f"{url}/api/v2/status"))
        yield Contestant(url, receiver, [*started, *_postgres(database)])


@contextmanager
def alertmanager() -> Iterator[Contestant]:
    """Debian's Alertmanager, alone."""
    assert ALERTMANAGER, "prometheus-alertmanager is not installed: `make peers` installs it"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="watchfleet-bench-")))
        receiver, port = _receiver(stack), free_port()
        (folder / "am.yml").write_text(CONFIG.format(url=receiver.url))
        command = [
            ALERTMANAGER,
            f"--config.file={folder / 'am.yml'}",
            f"--storage.path={folder}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=error",
        ]
        started = stack.enter_context(_running(command, folder, dict(os.environ)))
        url = f"http://127.0.0.1:{port}"
        _wait(lambda: _answers(f"{url}/api/v2/status"))
        yield Contestant(url, receiver, [started])


def _receiver(stack: ExitStack) -> Receiver:
    receiver = Receiver()
    stack.callback(receiver.close)
    return receiver


@contextmanager
def _running(
    command: list[str], folder: Path, variables: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log, cwd=_harness.ROOT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _postgres(url: str) -> list[Any]:
    """The server's postmaster: its backends are its children."""
    port = url.rpartition(":")[2].partition("/")[0]
    return [
        one
        for one in psutil.process_iter(["name", "cmdline"])
        if "postgres" in (one.info["name"] or "") and (one.info["cmdline"] or [])[-2:] == ["-p", port]
    ]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait(check: Callable[[], bool], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "a process did not start"
        time.sleep(0.1)
