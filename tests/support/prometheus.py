"""A Debian Prometheus beside us: what it stored is the measure of what we store."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml
from support.servers import free_port, running, wait_until

BINARY = shutil.which("prometheus")
NODE_EXPORTER = shutil.which("prometheus-node-exporter")

needs_prometheus = pytest.mark.skipif(
    BINARY is None, reason="prometheus is not installed: `make peers` installs it"
)
needs_node_exporter = pytest.mark.skipif(
    NODE_EXPORTER is None, reason="prometheus-node-exporter is not installed: `make peers` installs it"
)

Key = tuple[tuple[str, str], ...]


class Prometheus:
    """A running one."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url("/-/ready"), timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def samples(self, selector: str) -> dict[Key, list[tuple[float, float]]]:
        """Every sample of the last ten minutes, staleness markers left out, by series."""
        query = urlencode({"query": f"{selector}[10m]"})
        with urllib.request.urlopen(self.url(f"/api/v1/query?{query}"), timeout=10) as answer:
            rows = json.load(answer)["data"]["result"]
        return {
            tuple(sorted(row["metric"].items())): [(ts, float(value)) for ts, value in row["values"]]
            for row in rows
        }

    def now(self, selector: str) -> dict[Key, float]:
        """What an instant query shows: a series that has ended is not there."""
        with urllib.request.urlopen(
            self.url(f"/api/v1/query?{urlencode({'query': selector})}"), timeout=10
        ) as answer:
            rows = json.load(answer)["data"]["result"]
        return {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in rows}


@contextmanager
def prometheus(directory: Path, config: dict[str, object]) -> Iterator[Prometheus]:
    """Run one with a configuration; gone when the block ends."""
    assert BINARY
    port = free_port()
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        BINARY,
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with running(command, directory / "prometheus.log"):
        server = Prometheus(port)
        wait_until(server.answers)
        yield server


@contextmanager
def node_exporter(directory: Path, *arguments: str) -> Iterator[int]:
    """Run a node exporter with a few collectors; gives its port."""
    assert NODE_EXPORTER
    port = free_port()
    command = [NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{port}", *arguments]
    with running(command, directory / "node_exporter.log"):

        def answers() -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2):
                    return True
            except OSError:
                return False

        wait_until(answers)
        yield port
