"""A round of a thousand rules over 20,000 series, beside Prometheus on the same rules and series.

CPU seconds a round: of our one evaluator and its PostgreSQL backends together, and of Prometheus with the
rules less what it takes without them, as it scrapes in the same process. Then ours again with more history.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from sqlalchemy import text

from benchmarks import _harness
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.embedded.ports import free_port
from watchfleet.metrics.ingest import write_samples
from watchfleet.model import Kind, Sample
from watchfleet.notify.policy import get_policy
from watchfleet.rules.evaluate import evaluate_due
from watchfleet.rules.files import load
from watchfleet.rules.library import Library
from watchfleet.settings import get_settings

PER_GROUP = 20
_TICK = os.sysconf("SC_CLK_TCK")
EXPRESSIONS = (
    'sum by (shard) (rate(bench_total{{shard="{shard}"}}[1m])) > 1e9',
    'avg_over_time(bench_level{{shard="{shard}"}}[1m]) > 1e9',
    'bench_level{{shard="{shard}"}} > 1e9',
    'max by (shard) (bench_level{{shard="{shard}"}}) > 1e9',
)


def main() -> None:
    quick = _harness.quick()
    rules, series, interval, rounds = (100, 2_000, 5, 3) if quick else (1_000, 20_000, 15, 8)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="watchfleet-bench-")))
        page = Page(rules, series)
        (folder / "rules.yml").write_text(yaml.safe_dump(rule_file(rules, interval)))
        port = stack.enter_context(_serve(page))
        stack.enter_context(_harness.store())
        pid = stack.enter_context(_prometheus(folder, port, interval))
        library = Library(tuple(("rules.yml", group) for group in load(folder / "rules.yml").file.groups))
        ours, walls, peer = _measure(page, library, folder, pid, (interval, rounds))
        history = _with_history(page, library, interval, 3 if quick else 10)
    _harness.report(
        "rule_cost",
        median(ours) / peer,
        "<= 3",
        ours=round(median(ours), 3),
        peer=round(peer, 3),
        unit="CPU s per round",
        rules=rules,
        series=series,
        round_seconds=round(median(walls), 3),
        interval=interval,
        with_more_history=round(history / median(ours), 3),
        load=os.getloadavg()[0],
    )


class Page:
    """Half gauges, half counters, spread evenly over a shard for each rule."""

    def __init__(self, rules: int, series: int) -> None:
        self.labels = [(str(place % rules), str(place)) for place in range(series // 2)]
        self.began = time.time()

    def values(self, at: float) -> tuple[float, float]:
        """The level and the total that all have at a time."""
        return 10 + at % 7, 10 * (at - self.began)

    def text(self) -> bytes:
        """The page in Prometheus's format."""
        level, total = self.values(time.time())
        lines = ["# TYPE bench_level gauge"]
        lines += [f'bench_level{{shard="{shard}",one="{one}"}} {level}' for shard, one in self.labels]
        lines.append("# TYPE bench_total counter")
        lines += [f'bench_total{{shard="{shard}",one="{one}"}} {total}' for shard, one in self.labels]
        return ("\n".join(lines) + "\n").encode()

    def store(self, *times: datetime) -> None:
        """Write the same samples into our store."""
        samples = [sample for at in times for sample in self._samples(at.timestamp())]
        with transaction() as connection:
            write_samples(connection, f"bench:{times[0].timestamp()}", samples, utcnow())

    def _samples(self, at: float) -> Iterator[Sample]:
        level, total = self.values(at)
        for shard, one in self.labels:
            labels = {"shard": shard, "one": one}
            yield Sample("bench_level", labels, Kind.GAUGE, at, level)
            yield Sample("bench_total", labels, Kind.COUNTER, at, max(total, 0.0))


def rule_file(rules: int, interval: int) -> dict[str, Any]:
    """The rules, in Prometheus's format."""
    made = [
        {"alert": f"Bench{shard}", "expr": EXPRESSIONS[shard % len(EXPRESSIONS)].format(shard=shard)}
        for shard in range(rules)
    ]
    groups = [made[start : start + PER_GROUP] for start in range(0, rules, PER_GROUP)]
    return {
        "groups": [
            {"name": f"group{place}", "interval": f"{interval}s", "rules": group}
            for place, group in enumerate(groups)
        ]
    }


def _measure(
    page: Page, library: Library, folder: Path, pid: int, pace: tuple[int, int]
) -> tuple[list[float], list[float], float]:
    """CPU and seconds of each of our rounds, and CPU of one of Prometheus's, at the same time."""
    interval, rounds = pace
    page.store(*(utcnow() - timedelta(seconds=back * interval) for back in range(120 // interval, 0, -1)))
    policy = get_policy(get_settings())
    time.sleep(interval * 2)
    before = _cpu(pid)
    time.sleep(interval * rounds)
    scraping = _cpu(pid) - before
    _reload(folder, pid)
    time.sleep(interval * 2)
    before, ours, walls = _cpu(pid), [], []
    for _ in range(rounds):
        began = time.monotonic()
        page.store(utcnow())
        taken, wall = _round(library, policy)
        ours.append(taken)
        walls.append(wall)
        time.sleep(max(0.0, interval - (time.monotonic() - began)))
    return ours[1:], walls[1:], max((_cpu(pid) - before - scraping) / rounds, 0.01)


def _round(library: Library, policy: Any) -> tuple[float, float]:
    """CPU seconds of one round, the backends' among them, and how long it took."""
    pids, began = _backends(), time.monotonic()
    before = time.process_time() + sum(map(_cpu, pids))
    done = evaluate_due(library, utcnow(), policy, lambda _: None)
    assert len([one for one in done if not one.transitions]) >= len(library.groups)
    assert not any(one.failed for one in done)
    return time.process_time() + sum(map(_cpu, pids)) - before, time.monotonic() - began


def _with_history(page: Page, library: Library, interval: int, times: int) -> float:
    """CPU seconds of a round when there is so much more history."""
    for hours in range(1, times + 1):
        now = utcnow() - timedelta(hours=hours)
        page.store(*(now - timedelta(seconds=back * interval) for back in range(240 // interval, 0, -1)))
    policy, taken = get_policy(get_settings()), []
    for _ in range(4):
        page.store(utcnow())
        taken.append(_round(library, policy)[0])
        time.sleep(interval)
    return median(taken[1:])


def _backends() -> list[int]:
    with transaction() as connection:
        rows = connection.execute(
            text("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
        )
        return [row.pid for row in rows]


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


@contextmanager
def _serve(page: Page) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page.text()
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
def _prometheus(folder: Path, port: int, interval: int) -> Iterator[int]:
    binary = shutil.which("prometheus")
    if binary is None:
        raise SystemExit("prometheus is needed: `make peers` installs it")
    config = {
        "global": {"scrape_interval": f"{interval}s", "evaluation_interval": f"{interval}s"},
        "scrape_configs": [{"job_name": "bench", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{free_port()}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _reload(folder: Path, pid: int) -> None:
    """Have Prometheus evaluate the rules from now on."""
    path = folder / "prometheus.yml"
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**config, "rule_files": [str(folder / "rules.yml")]}))
    os.kill(pid, signal.SIGHUP)


if __name__ == "__main__":
    main()
