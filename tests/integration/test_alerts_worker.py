"""From a failed check to a delivered notification, in a real worker on a real broker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery
from support.messages import firing
from support.outbox_rows import add, states
from support.probed import check, configure
from support.receivers import Answer, HttpReceiver, http_receiver
from support.servers import ROOT, running, wait_until

from watchfleet.fleet import channel_queue

QUEUES = ["watchfleet.rules", "watchfleet.upkeep", channel_queue("log"), channel_queue("webhook")]
WORKER = [sys.executable, "-m", "celery", "-A", "workers", "worker", "--pool=threads", "--concurrency=4"]
OPTIONS = ["--without-gossip", "--without-mingle", "--loglevel=INFO", f"--queues={','.join(QUEUES)}"]


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def worker(
    environment: pytest.MonkeyPatch, receiver: HttpReceiver, tmp_path: Path
) -> Iterator[tuple[Celery, Path]]:
    """A client of the worker, and its log."""
    environment.setenv("ALERT_WEBHOOK_URL", receiver.url)
    environment.setenv("LOG_FORMAT", "text")
    environment.chdir(ROOT)
    log = tmp_path / "worker.log"
    with running([*WORKER, *OPTIONS], log, signal.SIGKILL), Celery(broker=os.environ["BROKER_URL"]) as client:
        wait_until(lambda: " ready." in log.read_text())
        yield client, log


WAKE = """
from workers.celery import app
from tasks.alerts import wake
app.conf.broker_transport_options["connect_retries_timeout"] = 0.1
wake(["log", "nonsense", "webhook"])
"""


def test_a_broker_that_is_away_stops_nobody_who_wakes_a_channel() -> None:
    variables = {**os.environ, "BROKER_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [sys.executable, "-c", WAKE], cwd=ROOT, env=variables, capture_output=True, text=True, check=True
    )
    assert "the broker is away, log, webhook will be woken later" in done.stderr


def told(receiver: HttpReceiver) -> list[str]:
    return [request.json["status"] for request in receiver.requests]


def evaluate(client: Celery) -> bool:
    """Have the rules evaluated; returns False."""
    groups = ["builtin/fleet.yml;fleet"]
    client.send_task("watchfleet.rules.evaluate_now", (groups,), queue="watchfleet.rules")
    return False


def test_a_fault_is_told_and_so_is_its_end(worker: tuple[Celery, Path], receiver: HttpReceiver) -> None:
    client, log = worker
    start = datetime.now(UTC) - timedelta(seconds=20)
    configure("shop", start)
    for seconds in (0, 5):
        check("shop", start + timedelta(seconds=seconds), ok=False)
    wait_until(lambda: evaluate(client) or told(receiver) == ["firing"], every=0.5)
    check("shop", datetime.now(UTC), ok=True)
    wait_until(lambda: evaluate(client) or told(receiver) == ["firing", "resolved"], every=0.5)
    wait_until(lambda: states() == ["sent"] * 4)
    lines = [line for line in log.read_text().splitlines() if '"notification"' in line]
    written = [json.JSONDecoder().raw_decode(line[line.index("{") :])[0] for line in lines]
    assert [(line["notification"], line["labels"]["target"]) for line in written] == [
        ("firing", "shop"),
        ("resolved", "shop"),
    ]
    assert log.read_text().count("the channel slack is off: it needs SLACK_WEBHOOK_URL") == 1


def test_the_sweeper_brings_what_nobody_was_woken_for(
    worker: tuple[Celery, Path], receiver: HttpReceiver
) -> None:
    client, _ = worker
    receiver.answers.append(Answer(503))
    add(firing(), now=datetime.now(UTC) - timedelta(seconds=10))
    client.send_task("watchfleet.upkeep.sweep_outbox", queue="watchfleet.upkeep")
    wait_until(lambda: states() == ["retry"])

    def swept() -> bool:
        client.send_task("watchfleet.upkeep.sweep_outbox", queue="watchfleet.upkeep")
        return states() == ["sent"]

    wait_until(swept, every=0.3)
    assert told(receiver) == ["firing", "firing"]
