"""A real worker that checks the targets of a configuration, and the ticks that it gets in place of beat's."""

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from support.servers import ROOT, running, wait_until

_WORKER = [sys.executable, "-m", "celery", "-A", "workers", "worker", "--pool=threads", "--concurrency=8"]
_OPTIONS = ["--without-gossip", "--without-mingle", "--loglevel=INFO"]


def configure(environment: pytest.MonkeyPatch, folder: Path, targets: Sequence[Any]) -> Path:
    """Write a configuration of these targets and use it, here and in the workers to come."""
    configuration = folder / "watchfleet.yml"
    configuration.write_text(json.dumps({"targets": targets}))
    environment.setenv("WATCHFLEET_CONFIG", str(configuration))
    environment.setenv("LOG_FORMAT", "text")
    environment.chdir(ROOT)
    return configuration


@contextmanager
def worker(log: Path, *queues: str, name: str = "probes") -> Iterator[int]:
    """A worker of these queues that is ready; yields its process id."""
    command = [*_WORKER, *_OPTIONS, f"--hostname={name}@%h", f"-Q{','.join(queues)}"]
    with running(command, log, signal.SIGKILL) as process:
        wait_until(lambda: " ready." in log.read_text())
        yield process.pid


@contextmanager
def beat() -> Iterator[Celery]:
    """A client whose `tick` stands for beat."""
    with Celery(broker=os.environ["BROKER_URL"]) as client:
        yield client


def tick(client: Celery) -> bool:
    """Send what beat sends every second; returns False."""
    client.send_task("watchfleet.probes.dispatch", queue="watchfleet.probes", expires=1)
    return False
