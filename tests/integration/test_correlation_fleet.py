"""One id goes through the fleet's own tasks and log lines, whether there are spans or not."""

import json
import time
from pathlib import Path

import pytest
from celery import Celery
from sqlalchemy import text
from support.processes import worker
from support.servers import wait_until
from support.worker_tasks import pass_on

from watchfleet import wire
from watchfleet.correlation import HEADER
from watchfleet.db.engine import transaction
from watchfleet.fleet import INGEST_QUEUE, channel_queue
from watchfleet.instrument.shipping import Broker, Shipper
from watchfleet.model import Activity

pytestmark = pytest.mark.usefixtures("environment")

QUEUES = ("watchfleet.upkeep", "watchfleet.rules", INGEST_QUEUE, channel_queue("log"))


def lines(folder: Path, correlation_id: str) -> list[str]:
    """What the worker logged under an id; its banner is in the same file."""
    written = [json.loads(line) for line in (folder / "all.log").read_text().splitlines() if line[:1] == "{"]
    return [one["message"] for one in written if one.get("correlation_id") == correlation_id]


def stored() -> bool:
    with transaction() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM raised_alert")))


def raised(correlation_id: str) -> wire.Batch:
    labels = {"alertname": "LoginWall", "severity": "critical", "service": "shop"}
    fields = {"labels": labels, "summary": "", "description": "", "lasts": 3600.0}
    return wire.pack([], [], [Activity("alert", time.time(), correlation_id, "LoginWall", fields)])


def test_an_applications_id_is_on_the_lines_of_every_task_that_it_sets_off(
    tmp_path: Path, redis_url: str
) -> None:
    """Of the delivery of its alert, and of tasks that tasks send."""
    node = ("--concurrency=2", "--hostname=all@here", f"--queues={','.join(QUEUES)}")
    shipper = Shipper(lambda: Broker(redis_url), 5)
    shipper.send("batch-1", raised("order-4711"), 1)
    shipper.close()
    with (
        Celery(broker=redis_url, set_as_current=False) as app,
        worker("threads", tmp_path / "all.log", *node, LOG_DIRECTORY=str(tmp_path)),
    ):
        app.send_task(pass_on.name, (2,), queue="watchfleet.upkeep", headers={HEADER: "upload-7"})
        app.send_task(pass_on.name, (0,), queue="watchfleet.upkeep", headers={HEADER: "no good\n"})
        wait_until(stored)
        app.send_task("watchfleet.rules.evaluate", queue="watchfleet.rules")
        wait_until(lambda: len(lines(tmp_path, "order-4711")) == 2)
        wait_until(lambda: "left: 0" in lines(tmp_path, "upload-7"))
    notified, sent = lines(tmp_path, "order-4711")
    assert json.loads(notified)["labels"]["alertname"] == "LoginWall"
    assert sent.endswith(": sent, delivered")
    assert lines(tmp_path, "upload-7") == ["left: 2", "left: 1", "left: 0"]
