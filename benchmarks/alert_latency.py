"""A metric crosses its threshold until the webhook has arrived, beside Prometheus and Alertmanager.

Prometheus scrapes a page every second, evaluates its rule every second, and Alertmanager sends without
waiting. Ours is the fleet's own beat and workers on a PostgreSQL and a Valkey of their own. It gets the
metric in both of its ways: as an application reports it, when it crosses (`ours`), and by scraping the same
page every second (`ours_scraped`). In each round a series of its own crosses, at a random moment.
"""

import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import yaml
from celery import Celery

from benchmarks import _harness
from watchfleet import fleet
from watchfleet.embedded import valkey
from watchfleet.embedded.ports import free_port
from watchfleet.model import Kind, Sample
from watchfleet.wire import pack

FAMILIES = ("ingest", "probes", "rules", "alerts")
WAYS = ("/ours/reported", "/ours/scraped", "/peer/scraped")
RULES = {
    "groups": [
        {
            "name": "bench",
            "interval": "1s",
            "rules": [
                {"alert": name, "expr": f"bench_{name} > 5", "labels": {"severity": "critical"}}
                for name in ("scraped", "reported")
            ],
        }
    ]
}
PATIENCE = 60.0


class Page:
    """The page that both scrape: one level for each round."""

    def __init__(self, rounds: int) -> None:
        self.levels = [1.0] * rounds

    def text(self) -> bytes:
        """The page in Prometheus's format."""
        lines = [f'bench_scraped{{round="{place}"}} {level}' for place, level in enumerate(self.levels)]
        return ("# TYPE bench_scraped gauge\n" + "\n".join(lines) + "\n").encode()


class Arrivals:
    """When the notification of each round arrived, by path and alert."""

    def __init__(self) -> None:
        self.at: dict[tuple[str, int], float] = {}

    def note(self, path: str, body: bytes) -> None:
        """Take in a notification."""
        now = time.time()
        way = f"{path}/{'reported' if b'reported' in body else 'scraped'}"
        for found in re.findall(rb'"round":\s*"(\d+)"', body):
            self.at.setdefault((way, int(found)), now)


def main() -> None:
    quick = _harness.quick()
    rounds = 5 if quick else 40
    page, arrivals = Page(rounds), Arrivals()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="watchfleet-bench-")))
        port = stack.enter_context(_serve(page, arrivals))
        url = stack.enter_context(_harness.store())
        stack.enter_context(_ours(folder, port, url))
        stack.enter_context(_peer(folder, port))
        client = stack.enter_context(Celery(broker=os.environ["BENCH_BROKER"]))
        _round(page, arrivals, 0, client)  # not counted: everything is awake after it
        taken = [_round(page, arrivals, place, client) for place in range(1, rounds)]
    ours, scraped, peer = ([one[name] for one in taken] for name in WAYS)
    _harness.report(
        "alert_latency",
        median(ours) / median(peer),
        "<= 0.2",
        ours=round(median(ours) * 1000, 1),
        peer=round(median(peer) * 1000, 1),
        unit="ms",
        ours_scraped=round(median(scraped) * 1000, 1),
        ratio_scraped=round(median(scraped) / median(peer), 3),
        rounds=len(taken),
        ours_p90_ms=round(quantiles(ours, n=10)[-1] * 1000, 1),
        peer_p90_ms=round(quantiles(peer, n=10)[-1] * 1000, 1),
        ours_max_ms=round(max(ours) * 1000, 1),
        peer_max_ms=round(max(peer) * 1000, 1),
        load=os.getloadavg()[0],
    )


def _round(page: Page, arrivals: Arrivals, place: int, client: Celery) -> dict[str, float]:
    """Let a series cross in each way; how long each took to tell."""
    time.sleep(1 + random.random())
    reported = time.time()
    sample = Sample("bench_reported", {"round": str(place)}, Kind.GAUGE, reported, 9.0)
    client.send_task(fleet.INGEST_TASK, (f"bench:{place}", pack([sample])), queue=fleet.INGEST_QUEUE)
    _wait(lambda: (WAYS[0], place) in arrivals.at)
    time.sleep(random.random())
    crossed = time.time()
    page.levels[place] = 9.0
    _wait(lambda: {(way, place) for way in WAYS} <= arrivals.at.keys())
    began = dict(zip(WAYS, (reported, crossed, crossed), strict=True))
    return {way: arrivals.at[way, place] - began[way] for way in WAYS}


@contextmanager
def _serve(page: Page, arrivals: Arrivals) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(page.text())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            arrivals.note(self.path, body)
            self._answer(b"ok")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _ours(folder: Path, port: int, database_url: str) -> Iterator[None]:
    password, redis_port = secrets.token_hex(16), free_port()
    (folder / "valkey").mkdir()
    (folder / "rules.yml").write_text(yaml.safe_dump(RULES))
    scrape = [
        {
            "job_name": "bench",
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
        }
    ]
    config = folder / "watchfleet.yml"
    config.write_text(yaml.safe_dump({"scrape": scrape, "rule_files": ["rules.yml"]}))
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "BROKER_URL": valkey.url(redis_port, password),
        "WATCHFLEET_CONFIG": str(config),
        "ALERT_WEBHOOK_URL": f"http://127.0.0.1:{port}/ours",
    }
    os.environ["BENCH_BROKER"] = environment["BROKER_URL"]
    celery = [sys.executable, "-m", "celery", "-A", "workers"]
    commands = [[*celery, *one.arguments()] for one in fleet.families() if one.name in FAMILIES]
    commands.append([*celery, "beat", "--loglevel=INFO", f"--pidfile={folder / 'beat.pid'}"])
    server = valkey.serve_command(valkey.configure(folder / "valkey", redis_port, password))
    with ExitStack() as stack:
        stack.enter_context(_running(server, folder / "valkey.log", os.environ))
        for place, command in enumerate(commands):
            stack.enter_context(_running(command, folder / f"ours{place}.log", environment))
        yield


@contextmanager
def _peer(folder: Path, port: int) -> Iterator[None]:
    prometheus, alertmanager = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
    if prometheus is None or alertmanager is None:
        raise SystemExit("prometheus and prometheus-alertmanager are needed: `make peers` installs them")
    ports = free_port(), free_port()
    target = [{"targets": [f"127.0.0.1:{port}"]}]
    scrape = {"job_name": "bench", "scrape_interval": "1s", "static_configs": target}
    managers = [{"static_configs": [{"targets": [f"127.0.0.1:{ports[1]}"]}]}]
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "alerting": {"alertmanagers": managers},
        "scrape_configs": [scrape],
    }
    route = {"receiver": "hook", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    hook = {"name": "hook", "webhook_configs": [{"url": f"http://127.0.0.1:{port}/peer"}]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "alertmanager.yml").write_text(yaml.safe_dump({"route": route, "receivers": [hook]}))
    manager = [
        alertmanager,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{ports[1]}",
        "--cluster.listen-address=",
    ]
    server = [
        prometheus,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{ports[0]}",
    ]
    with _running(manager, folder / "am.log", os.environ), _running(server, folder / "prom.log", os.environ):
        _wait(lambda: _answers(f"http://127.0.0.1:{ports[0]}/-/ready"))
        yield


@contextmanager
def _running(command: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=_harness.ROOT
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait(check: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > end:
            raise TimeoutError("nothing arrived in time")
        time.sleep(0.005)


if __name__ == "__main__":
    main()
