"""From a leak that is found to the line that leaks, in a real prefork worker."""

import json
import os
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from click.testing import CliRunner
from sqlalchemy import update
from support.probing import worker
from support.servers import ROOT, running, use_environment, wait_until

import watchfleet
from tasks.detectors import memory
from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.db.tables import memory_snapshot
from watchfleet.detectors import snapshots as detector
from watchfleet.detectors.processes import RESIDENT
from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.shipping import Broker
from watchfleet.metrics import ingest, read, snapshots
from watchfleet.metrics.snapshots import Snapshot
from watchfleet.model import Kind, Sample
from watchfleet.web.app import create_app

TOKEN = "s3cret-token-of-the-api"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
HOST = """
import os

from celery import Celery

import watchfleet
from watchfleet.instrument import vitals

vitals.PERIOD = 0.3  # seconds between two looks, of which a test has no thirty
KEPT = []
app = Celery("leaky", broker=os.environ["HOST_BROKER_URL"])
app.conf.update(task_default_queue="leaky", worker_hijack_root_logger=False)
watchfleet.instrument(app, service="leaky", broker_url=os.environ["HOST_BROKER_URL"])


@app.task(name="grow")
def grow():
    KEPT.append(bytearray(50_000))  # the leak
    return len([bytearray(1000) for _ in range(500)])  # much is allocated, and given back
"""
LEAK = "KEPT.append(bytearray(50_000))  # the leak"
NAMES = [f"leaky@{socket.gethostname()}/{number}" for number in range(2)]
SPAN, EVERY = 4 * 3600, 60


@pytest.fixture(autouse=True)
def _configured(environment: pytest.MonkeyPatch) -> None:
    use_environment(environment, API_TOKEN=TOKEN, WATCHFLEET_CONFIG=os.devnull)
    environment.setenv("HOST_BROKER_URL", os.environ["BROKER_URL"])
    environment.setenv("LOG_FORMAT", "text")
    environment.chdir(ROOT)


@contextmanager
def host(folder: Path, *options: str) -> Iterator[Celery]:
    """A user's application with two children, and a client that gives them work."""
    (folder / "leaky.py").write_text(HOST)
    command = [sys.executable, "-m", "celery", "-A", "leaky", "worker", "--without-gossip", *options]
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT / 'src'}"}
    options_of_log = folder / "host.log"
    with (
        worker(folder / "ingest.log", "watchfleet.ingest", name="ingest"),
        running([*command, "--concurrency=2"], options_of_log, environment=environment),
        Celery(broker=os.environ["BROKER_URL"]) as client,
    ):
        yield client


def work(client: Celery) -> bool:
    """Give them some tasks; returns False."""
    for _ in range(20):
        client.send_task("grow", queue="leaky", expires=30)
    return False


def remember(name: str, *, rises: float = 200e6, blocks: float = 1000.0) -> None:
    """Four hours in which its memory rose by so many bytes an hour, and its blocks by so many a second."""
    now, labels = utcnow(), {"process": name, "service": "leaky"}
    samples = []
    for age in range(SPAN, 0, -EVERY):
        at, lived = now.timestamp() - age, SPAN - age
        for metric, value in (
            (RESIDENT, 50e6 + lived * rises / 3600),
            ("process_start_time_seconds", now.timestamp() - SPAN),
            ("process_allocated_blocks", 1e6 + lived * blocks),
        ):
            samples.append(Sample(metric, labels, Kind.GAUGE, at, value))
    with transaction() as connection:
        ingest.write_samples(connection, f"history of {name}", samples, now)


def known() -> set[str]:
    """The processes that told of themselves."""
    with transaction() as connection:
        found = read.latest(connection, RESIDENT, utcnow() - timedelta(minutes=10))
    return {one.labels["process"] for one in found}


def taken() -> list[Snapshot]:
    with transaction() as connection:
        return snapshots.read(connection)


def has_lines() -> bool:
    """Whether the newest snapshot has; a child that was recycled meanwhile tells of too few tasks."""
    newest = taken()[0].result
    if "error" in newest:
        with transaction() as connection:
            detector.ask(connection, NAMES[0], utcnow())
    return bool(newest.get("lines"))


@pytest.mark.parametrize("options", [(), ("--max-tasks-per-child=60",)], ids=["", "recycled"])
def test_a_leak_is_found_and_the_line_that_leaks_comes_first(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    remember(NAMES[0])
    assert memory() == 1
    assert memory() == 1, "it is asked once"
    assert [one.process for one in taken()] == [NAMES[0]]
    with host(tmp_path, *options) as client:
        wait_until(lambda: work(client) or has_lines(), every=0.3)
    found = taken()[0]
    first = found.result["lines"][0]
    assert first["source"] == LEAK
    assert first["line"].endswith(f"leaky.py:{HOST.splitlines().index(f'    {LEAK}') + 1}")
    assert first["bytes"] >= 50_000
    assert set(found.result["ran"]) == {"grow"}
    with transaction() as connection:
        told = read.latest(connection, "process_memory_line_bytes", utcnow() - timedelta(minutes=10))
    assert {one.labels["line"] for one in told if one.labels["rank"] == "1"} == {first["line"]}


def test_somebody_asks_and_another_is_told_to_wait(tmp_path: Path) -> None:
    api = create_app().test_client()
    with host(tmp_path) as client:
        wait_until(lambda: work(client) or set(NAMES) <= known(), every=0.3)
        asked = [sys.executable, "-m", "watchfleet", "memory", "snapshot", NAMES[1], "--tasks=30", "--json"]
        with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as process:
            wait_until(lambda: bool(taken()))
            refused = api.post("/api/memory/snapshots", json={"process": NAMES[0]}, headers=HEADERS)
            assert refused.status_code == 409
            wait_until(lambda: work(client) or process.poll() is not None, every=0.3)
            answer: dict[str, Any] = json.loads(process.communicate(timeout=10)[0])
        assert (process.returncode, answer["tasks"] >= 30) == (0, True)
        assert answer["lines"][0]["source"] == LEAK
        accepted = api.post("/api/memory/snapshots", json={"process": NAMES[0]}, headers=HEADERS)
        assert accepted.status_code == 202
    listed = api.get(f"/api/memory/snapshots?process={NAMES[1]}", headers=HEADERS).json["snapshots"]
    assert [one["id"] for one in listed] == [answer["id"]]
    shown = CliRunner().invoke(cli, ["memory", "snapshots"]).output
    assert "leaky.py:" in shown


def test_nobody_is_asked_about_a_native_leak_or_a_healthy_process() -> None:
    remember(NAMES[0], blocks=0)
    remember(NAMES[1], rises=0)
    assert memory() == 1
    assert taken() == []
    shown = json.loads(CliRunner().invoke(cli, ["memory", "list", "--leaking", "--json"]).output)
    assert [(one["process"], one["origin"]) for one in shown["processes"]] == [(NAMES[0], "native")]


@pytest.mark.parametrize(
    ("result", "minutes", "again"),
    [
        (None, 29, False),
        (None, 31, True),
        ({"error": "too few"}, 29, False),
        ({"error": "too few"}, 31, True),
        ({"lines": []}, 359, False),
        ({"lines": []}, 361, True),
    ],
)
def test_who_could_not_tell_is_asked_again_sooner(
    result: dict[str, Any] | None, minutes: int, again: bool
) -> None:
    remember(NAMES[0])
    assert memory() == 1
    asked = utcnow() - timedelta(minutes=minutes)
    values = {
        "asked_at": asked,
        "until": asked,
        "taken_at": asked if result else None,
        "result": result or {},
    }
    with transaction() as connection:
        connection.execute(update(memory_snapshot).values(values))
    assert memory() == 1
    assert len(taken()) == 1 + again


def test_who_cannot_be_asked_is_named() -> None:
    remember(NAMES[0])
    api = create_app().test_client()
    answer = api.post("/api/memory/snapshots", json={"process": NAMES[0] + "0"}, headers=HEADERS)
    assert (answer.status_code, NAMES[0] in answer.json["error"]) == (404, True)
    assert api.post("/api/memory/snapshots", json=[], headers=HEADERS).status_code == 400
    assert api.post("/api/memory/snapshots", json={"process": NAMES[0]}).status_code == 401
    refused = CliRunner().invoke(cli, ["memory", "snapshot", "nobody"])
    assert "`watchfleet memory list` lists" in str(refused.exception)


def test_a_block_and_a_function_tell_what_they_keep(tmp_path: Path) -> None:
    # The client alone: `instrument` would follow every application of this process, in other tests, too.
    lifetime.start("shop", lambda: Broker(os.environ["BROKER_URL"]))
    kept: list[bytearray] = []

    @watchfleet.track_memory("fill")
    def fill() -> None:
        kept.extend(bytearray(20_000) for _ in range(10))

    with worker(tmp_path / "ingest.log", "watchfleet.ingest", name="ingest"):
        with watchfleet.track_memory("outer") as growth:
            fill()
        assert not tracemalloc.is_tracing()
        wait_until(lambda: {one.process for one in taken()} == {"fill", "outer"})
    for most, *_ in (growth.lines, *(one.result["lines"] for one in taken())):
        assert most["source"] == "kept.extend(bytearray(20_000) for _ in range(10))"
        assert most["bytes"] >= 200_000
