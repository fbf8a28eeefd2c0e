"""pytest-celery's nodes and clusters on processes of this machine instead of containers.

A node of pytest-celery wraps a container, and a container wraps an object of docker-py. `LocalProcess` takes
that object's place, so that nodes, clusters and `celery_setup` are pytest-celery's own. The worker is the
fleet's: the application in `workers`, configured by `celeryconfig`.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from celery import Celery
from pytest_celery import (
    CeleryBackendCluster,
    CeleryBrokerCluster,
    CeleryTestSetup,
    CeleryTestWorker,
    CeleryWorkerCluster,
    CeleryWorkerContainer,
    RedisContainer,
    RedisTestBackend,
    RedisTestBroker,
)
from support.servers import ROOT, free_port

from watchfleet.embedded import valkey

QUEUE = "watchfleet.upkeep"


class Outcome(NamedTuple):
    exit_code: int
    output: bytes


class LocalProcess:
    """What pytest-docker-tools asks of `docker.models.containers.Container`, of a process.

    Args:
        name: For messages.
        command: What to run; `%h` stands for the short id, as Celery's does for a container's host name.
        folder: Its log lies here.
        environment: Its variables beyond ours.
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.id = uuid.uuid4().hex
        self.name = f"{name}-{self.id[:6]}"
        self._command = [part.replace("%h", self.id[:12]) for part in command]
        self._environment = {**os.environ, **environment}
        self._log = folder / f"{self.name}.log"
        self._log.touch()
        self.start()

    @property
    def status(self) -> str:
        return "running" if self._popen.poll() is None else "exited"

    @property
    def attrs(self) -> dict[str, Any]:
        variables = [f"{name}={value}" for name, value in self._environment.items()]
        return {
            "NetworkSettings": {"Networks": {}, "Ports": {}},
            "HostConfig": {"PortBindings": {}},
            "Config": {"Hostname": self.id[:12], "Env": variables},
        }

    def start(self) -> None:
        self._begin = self._log.stat().st_size
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def reload(self) -> None:
        self._popen.poll()

    def logs(self) -> bytes:
        """What it wrote since its last start: what came before says nothing of its readiness."""
        return self._log.read_bytes()[self._begin :]

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send a signal and wait for the end; SIGKILL ends the children too, as in a container."""
        self._send(signal)
        self._popen.wait(30)

    def restart(self, timeout: float = 10) -> None:
        if self.status == "running":
            self._popen.terminate()
            self._popen.wait(timeout)
        self.start()

    def exec_run(self, command: str | list[str]) -> Outcome:
        done = subprocess.run(
            shlex.split(command) if isinstance(command, str) else command,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=30,
            check=False,
        )
        return Outcome(done.returncode, done.stdout)

    def remove(self) -> None:
        if self.status == "running":
            self.kill()

    def _send(self, number: str | int) -> None:
        found = signal.Signals[number] if isinstance(number, str) else signal.Signals(number)
        if found == signal.SIGKILL:
            os.killpg(self._popen.pid, found)
        else:
            self._popen.send_signal(found)


class _Local:
    """Looks for readiness twenty times a second; pytest-celery's own looks once."""

    def _wait_ready(self, timeout: float = 60) -> bool:
        end = time.monotonic() + timeout
        while self.ready_prompt not in self.logs():
            assert self.status == "running", self.logs()
            assert time.monotonic() < end, self.logs()
            time.sleep(0.05)
        return True


class LocalValkey(_Local, RedisContainer):
    """A Valkey on a port of its own, which keeps what it holds across restarts."""

    @property
    def host_url(self) -> str:
        return self.env["URL"]

    @property
    def url(self) -> str:
        return self.host_url

    @property
    def hostname(self) -> str:
        return "127.0.0.1"

    @property
    def port(self) -> int:
        return int(self.env["PORT"])


class LocalWorker(_Local, CeleryWorkerContainer):
    """A worker of the fleet."""

    @classmethod
    def command(cls, *arguments: str, **_: Any) -> list[str]:
        return [
            sys.executable,
            *("-m", "celery", "-A", "workers", "worker"),
            f"--hostname={cls.worker_name()}@%h",
            f"--queues={cls.worker_queue()}",
            f"--loglevel={cls.log_level()}",
            "--include=support.worker_tasks",
            "--concurrency=1",
            *arguments,
        ]

    @classmethod
    def initial_env(cls, celery_worker_cluster_config: dict[str, Any], initial: Any = None) -> dict[str, str]:
        (url,) = celery_worker_cluster_config["celery_broker_cluster_config"]["urls"]
        path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
        return {"BROKER_URL": url, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}

    @classmethod
    def worker_queue(cls) -> str:
        return QUEUE


class FleetSetup(CeleryTestSetup):
    """The setup whose application sends to the fleet's queue."""

    @classmethod
    def update_app_config(cls, app: Celery) -> None:
        app.conf.task_default_queue = QUEUE


@pytest.fixture
def celery_setup_cls() -> type[CeleryTestSetup]:
    return FleetSetup


@pytest.fixture
def default_redis_broker(tmp_path: Path) -> Iterator[LocalValkey]:
    port = free_port()
    environment = {"PORT": str(port), "URL": valkey.url(port, "secret-of-the-test")}
    command = valkey.serve_command(valkey.configure(tmp_path / "valkey", port, "secret-of-the-test"))
    process = LocalProcess("valkey", command, tmp_path, environment)
    yield LocalValkey(process)
    process.remove()


@pytest.fixture
def celery_broker_cluster(default_redis_broker: LocalValkey) -> CeleryBrokerCluster:
    assert default_redis_broker.ready()
    return CeleryBrokerCluster(RedisTestBroker(default_redis_broker))


@pytest.fixture
def celery_backend_cluster(default_redis_broker: LocalValkey) -> Iterator[CeleryBackendCluster]:
    """The broker is the result backend, as in the fleet."""
    backend = RedisTestBackend(default_redis_broker)
    yield CeleryBackendCluster(backend)
    backend.teardown()


@pytest.fixture
def celery_worker_cluster(
    tmp_path: Path, celery_setup_app: Celery, celery_worker_cluster_config: dict[str, Any]
) -> Iterator[CeleryWorkerCluster]:
    """Two workers, which start at the same time."""
    environment = LocalWorker.initial_env(celery_worker_cluster_config)
    processes = [LocalProcess("worker", LocalWorker.command(), tmp_path, environment) for _ in range(2)]
    containers = [LocalWorker(process) for process in processes]
    assert all(container.ready() for container in containers)
    yield CeleryWorkerCluster(*(CeleryTestWorker(container, celery_setup_app) for container in containers))
    for process in processes:
        process.remove()
