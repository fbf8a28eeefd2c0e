"""A whole fleet, as `watchfleet up` runs it, in a folder of its own; gone when the tests end."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import NullPool, create_engine, make_url
from sqlalchemy.exc import OperationalError
from support.servers import ROOT, wait_until

from watchfleet.embedded import leftovers, report
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.health import why_not_ready
from watchfleet.embedded.state import State
from watchfleet.errors import FleetError
from watchfleet.metrics import read
from watchfleet.settings import Settings

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
Query = Callable[..., list[read.SeriesPoints]]
PATIENCE = 90
"""Seconds for a start, several times what it takes."""


class Fleet:
    """A fleet in `folder`, reached as a user reaches it.

    Args:
        folder: The working directory of every command; the data directory lies in it.
        variables: Settings for the fleet.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.directory = DataDirectory(folder / "data")
        self.environment = {**_neutral_environment(), "WATCHFLEET_HOME": str(ROOT), **variables}

    def run(self, *arguments: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run `watchfleet ...` to its end."""
        return subprocess.run(
            self._command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def ask(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `watchfleet` that asks the fleet's servers, as in another terminal."""
        where = {"WATCHFLEET_DATA_DIR": str(self.directory.path)}
        return subprocess.run(
            [sys.executable, "-m", "watchfleet", *arguments],
            cwd=self.folder,
            env={**self.environment, **where, **variables},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `watchfleet up ...` in the foreground."""
        return subprocess.Popen(
            self._command("up", "--port", "0", "--flower-port", "0", *arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def up(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it detached and wait until it is healthy."""
        done = self.run("up", "--wait", "--detach", "--port", "0", "--flower-port", "0", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def down(self) -> subprocess.CompletedProcess[str]:
        done = self.run("down")
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return found

    def pid(self, name: str) -> int:
        """The pid of the process that supervisord started under that name."""
        return next(int(process["pid"]) for process in self.status()["processes"] if process["name"] == name)

    def kill(self, pid: int) -> None:
        """Kill -9."""
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(pid))

    def is_healthy(self) -> bool:
        """Every process runs, and the fleet says that it is ready."""
        return self.why_not_healthy() == ""

    def why_not_healthy(self) -> str:
        """What speaks against its health; asked without the command line's start, since it is asked often."""
        try:
            processes = report.supervisor_of(self.directory, self.state).processes()
        except FleetError as error:
            return str(error)
        unwell = [f"{one.name} {one.state}" for one in processes if one.state != report.RUNNING]
        return ", ".join(unwell) or why_not_ready(self.state.web_port)

    @property
    def state(self) -> State:
        found = State.load(self.directory)
        assert found is not None
        return found

    @property
    def addresses(self) -> dict[str, str]:
        """Where its web process, its metrics and its Flower are."""
        found: dict[str, str] = self.status()["addresses"]
        return found

    @property
    def database_url(self) -> str:
        return self.process_environment("web")["DATABASE_URL"]

    def process_environment(self, name: str) -> dict[str, str]:
        return dict(psutil.Process(self.pid(name)).environ())

    def get(self, url: str, *, login: bool = False) -> tuple[int, str]:
        """The status and the body of a GET, with Flower's login or without."""
        request = urllib.request.Request(url)
        if login:
            secret = f"watchfleet:{self.directory.flower_password.read_text().strip()}"
            request.add_header("Authorization", f"Basic {b64encode(secret.encode()).decode()}")
        try:
            with _DIRECT.open(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def targets_up_between(self, begin: datetime, end: datetime) -> set[str]:
        """The targets that a probe of that time found up, as the store has it."""
        found = self._probes(read.recent, begin)
        return {
            series.labels["target"]
            for series in found
            if [ts for ts, value in series.points if ts <= end and value == 1]
        }

    def targets_up_since(self, moment: datetime) -> set[str]:
        """The targets whose newest probe since then found them up; none while the store is away."""
        try:
            found = self._probes(read.latest, moment)
        except OperationalError:
            return set()
        return {series.labels["target"] for series in found if series.points[-1][1] == 1}

    def _probes(self, query: Query, since: datetime) -> list[read.SeriesPoints]:
        url = make_url(self.database_url).set(drivername="postgresql+psycopg2")
        with create_engine(url, poolclass=NullPool).connect() as connection:
            return query(connection, "probe_success", since)

    def processes(self) -> list[psutil.Process]:
        """Everything of this fleet that lives, supervised or not."""
        return leftovers.find(self.directory)

    def assert_nothing_is_left(self) -> None:
        """No process, no socket."""
        assert self.processes() == []
        assert not list(self.folder.rglob("*.sock"))
        assert not self.directory.pid.exists()

    def clear(self) -> None:
        """End whatever a test left."""
        leftovers.sweep(self.directory, patience=0)

    def _command(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "watchfleet", name, "--data-dir", str(self.directory.path), *arguments]


def _neutral_environment() -> dict[str, str]:
    """Ours, without what would configure a fleet."""
    names = {name.upper() for name in Settings.model_fields}
    ours = ("WATCHFLEET_", "FLOWER_", "COVERAGE_")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in names and not name.startswith(ours) and name.removesuffix("_FILE") not in names
    }


@pytest.fixture
def own_fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A folder for a fleet of the test's own; nothing runs in it yet."""
    found = Fleet(tmp_path)
    yield found
    found.clear()


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A running fleet that many tests share; whoever harms it waits until it is healthy again."""
    found = Fleet(tmp_path_factory.mktemp("fleet"))
    try:
        found.up()
        yield found
        found.down()
        found.assert_nothing_is_left()
    finally:
        found.clear()
