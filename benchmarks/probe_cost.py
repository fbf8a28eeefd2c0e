"""What a probe costs, beside blackbox_exporter on the same targets at the same pace.

CPU milliseconds a probe, of everything that takes part: our worker of probes, Valkey, PostgreSQL and who
sends the ticks; and blackbox_exporter, asked as Prometheus asks it. Each probe is a fresh connection and
wants a text in the body, without TLS and with it. The targets are those of an HAProxy, which is not counted.
The fleet's own dependencies, which the peer does not check, are checked once a day here.
"""

import http.client
import json
import os
import shutil
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import psutil
import yaml
from celery import Celery
from sqlalchemy import text

from benchmarks import _harness, _worker
from watchfleet.db.engine import transaction
from watchfleet.embedded.ports import free_port

QUEUE: Final = "watchfleet.probes"
INTERVAL: Final = 2
"""Seconds between two checks of a target; with all of them, 500 probes a second."""
TEXT: Final = "all is well"
TLS: Final = _harness.ROOT / "tests" / "support" / "tls"
MODULE: Final = {
    "prober": "http",
    "timeout": "5s",
    "http": {
        "fail_if_body_not_matches_regexp": [TEXT],
        "preferred_ip_protocol": "ip4",
        "tls_config": {"ca_file": str(TLS / "cert.pem"), "server_name": "localhost"},
    },
}


class Cost(NamedTuple):
    """Of one contestant in one round.

    Attributes:
        milliseconds: Of CPU, a probe.
        parts: The same of each process.
        probes: How many there were.
    """

    milliseconds: float
    parts: dict[str, float]
    probes: int


def main() -> None:
    quick = _harness.quick()
    targets, seconds, rounds = (200, 5, 1) if quick else (1000, 20, 3)
    with _harness.store(), _worker.broker() as broker:
        plain, secure = (compare(one, broker, targets, (seconds, rounds)) for one in ("http", "https"))
    ours, peer = median(one.milliseconds for one in plain[0]), median(one.milliseconds for one in plain[1])
    with_tls = [median(one.milliseconds for one in some) for some in secure]
    _harness.report(
        "probe_cost",
        ours / peer,
        "<= 0.6",
        ours=round(ours, 3),
        peer=round(peer, 3),
        unit="CPU ms per probe",
        ours_goal="<= 0.35",
        parts=plain[0][-1].parts,
        tls_ratio=round(with_tls[0] / with_tls[1], 3),
        tls_ours=round(with_tls[0], 3),
        tls_peer=round(with_tls[1], 3),
        tls_ours_goal="<= 1.5",
        targets=targets,
        probes=plain[0][-1].probes,
        load=os.getloadavg()[0],
    )


def compare(scheme: str, broker: str, targets: int, pace: tuple[int, int]) -> tuple[list[Cost], list[Cost]]:
    """What a probe costs us and the peer in each round, in turn."""
    (seconds, rounds), ours, peer = pace, list[Cost](), list[Cost]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="watchfleet-bench-")))
        address = stack.enter_context(serve(folder, scheme))
        urls = [f"{address}/{number}" for number in range(targets)]
        configure(folder, urls)
        fleet = stack.enter_context(started(folder, broker))
        blackbox, ask = stack.enter_context(exporter(folder))
        for _ in range(rounds):
            fleet.run(INTERVAL + 1)  # so that no target is overdue
            ours.append(fleet.cost(seconds))
            peer.append(theirs(blackbox, ask, urls, seconds))
    return ours, peer


def configure(folder: Path, urls: Sequence[str]) -> None:
    """Have the fleet probe these."""
    target = {"kind": "http", "interval": f"{INTERVAL}s", "expected_text": TEXT}
    trusted = {"ca_file": str(TLS / "cert.pem")} if urls[0].startswith("https") else {}
    targets = [
        {"name": f"target-{number}", "url": url, **target, **trusted} for number, url in enumerate(urls)
    ]
    (folder / "watchfleet.yml").write_text(json.dumps({"targets": targets}))
    os.environ["WATCHFLEET_CONFIG"] = str(folder / "watchfleet.yml")
    os.environ["DEPENDENCY_INTERVAL"] = "1d"  # the fleet's own targets are not what is compared


class Fleet:
    """The processes that take part in our probes, and the clock that beat is to them."""

    def __init__(self, celery: Celery, worker: int) -> None:
        self._celery = celery
        everybody = psutil.process_iter(["name", "cmdline"])
        mine = {child.pid for child in psutil.Process().children(recursive=True)}
        self._parts: dict[str, list[psutil.Process]] = {"worker": [psutil.Process(worker)]}
        for process in everybody:
            if process.pid in mine and process.info["name"].startswith(("postgres", "valkey")):
                self._parts.setdefault(process.info["name"].partition("-")[0], []).append(process)

    def run(self, seconds: int) -> None:
        """Send a tick a second."""
        for _ in range(seconds):
            began = time.monotonic()
            self._celery.send_task("watchfleet.probes.dispatch", queue=QUEUE, expires=1)
            time.sleep(max(0.0, began + 1 - time.monotonic()))

    def cost(self, seconds: int) -> Cost:
        """What a probe costs over some seconds."""
        began, before, own = datetime.now(UTC), self._taken(), time.process_time()
        self.run(seconds)
        sender = time.process_time() - own
        taken = {name: value - before[name] for name, value in self._taken().items()} | {"sender": sender}
        time.sleep(1)
        probes = probed_since(began)
        parts = {name: round(1000 * value / probes, 4) for name, value in taken.items()}
        return Cost(sum(parts.values()), parts, probes)

    def _taken(self) -> dict[str, float]:
        return {name: sum(map(cpu, processes)) for name, processes in self._parts.items()}


def cpu(process: psutil.Process) -> float:
    """CPU seconds of a process and of its children, also of those that ended."""
    times = [process.cpu_times(), *(child.cpu_times() for child in process.children(recursive=True))]
    ended = times[0].children_user + times[0].children_system
    return float(sum(one.user + one.system for one in times) + ended)


def probed_since(began: datetime) -> int:
    """How many probes are in the store; all of them must have succeeded."""
    query = text(
        "SELECT count(*) AS probes, coalesce(sum(value), 0) AS good FROM samples JOIN series ON"
        " series.id = series_id WHERE name = 'probe_success' AND labels->>'target' LIKE 'target-%'"
        " AND ts >= :began"
    )
    with transaction() as connection:
        row = connection.execute(query, {"began": began}).one()
    assert row.probes == row.good > 0, f"{row.good:.0f} of {row.probes} probes succeeded"
    return int(row.probes)


def theirs(process: psutil.Process, ask: Callable[[str], None], urls: Sequence[str], seconds: int) -> Cost:
    """What a probe costs the peer at the pace of the fleet, evenly over each second."""
    count = len(urls) * seconds // INTERVAL
    began, before = time.monotonic(), cpu(process)
    for number in range(count):
        time.sleep(max(0.0, began + number * seconds / count - time.monotonic()))
        ask(urls[number % len(urls)])
    taken = round(1000 * (cpu(process) - before) / count, 4)
    return Cost(taken, {"blackbox_exporter": taken}, count)


@contextmanager
def started(folder: Path, broker: str) -> Iterator[Fleet]:
    """The fleet's worker of probes."""
    log = folder / "worker.log"
    with _worker.worker(QUEUE, broker, log) as worker, Celery(broker=broker) as celery:
        end = time.monotonic() + 60
        while " ready." not in log.read_text():
            assert time.monotonic() < end, "the worker does not start"
            time.sleep(0.1)
        yield Fleet(celery, worker)


@contextmanager
def exporter(folder: Path) -> Iterator[tuple[psutil.Process, Callable[[str], None]]]:
    """A blackbox_exporter, and how to ask it for a probe."""
    port = free_port()
    (folder / "blackbox.yml").write_text(yaml.safe_dump({"modules": {"body": MODULE}}))
    command = [
        needed("prometheus-blackbox-exporter"),
        f"--config.file={folder / 'blackbox.yml'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with _worker.process(command, folder / "blackbox.log") as pid:
        _worker.await_port(port)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

        def ask(url: str) -> None:
            query = urllib.parse.urlencode({"module": "body", "target": url})
            connection.request("GET", f"/probe?{query}", headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200 and len(body) > 200  # noqa: PT018 - one request

        yield psutil.Process(pid), ask
        connection.close()


@contextmanager
def serve(folder: Path, scheme: str) -> Iterator[str]:
    """An HAProxy that answers everything with the text; its address."""
    port = free_port()
    secure = ""
    if scheme == "https":
        (folder / "both.pem").write_text((TLS / "cert.pem").read_text() + (TLS / "key.pem").read_text())
        secure = f" ssl crt {folder / 'both.pem'}"
    (folder / "haproxy.cfg").write_text(
        "global\n  maxconn 2000\ndefaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n"
        f"  timeout connect 5s\nfrontend all\n  bind 127.0.0.1:{port}{secure}\n"
        f'  http-request return status 200 content-type text/plain string "{TEXT}"\n'
    )
    with _worker.process([needed("haproxy"), "-f", str(folder / "haproxy.cfg")], folder / "haproxy.log"):
        _worker.await_port(port)
        yield f"{scheme}://127.0.0.1:{port}"


def needed(program: str) -> str:
    """Where a program is that `make peers` installs."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if found is None:
        raise SystemExit(f"{program} is needed: `make peers` installs it")
    return found


if __name__ == "__main__":
    main()
