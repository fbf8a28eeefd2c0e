"""The same configuration on RabbitMQ."""

from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection
from kombu.exceptions import ChannelError
from support.processes import started, worker
from support.task_events import TaskEvents

from watchfleet import fleet

NAP = "watchfleet.upkeep.testing.nap"


def test_every_queue_is_a_quorum_queue_and_carries_tasks(
    environment: pytest.MonkeyPatch, rabbitmq_url: str, redis_url: str, tmp_path: Path
):
    addresses = {"BROKER_URL": rabbitmq_url, "REDIS_URL": redis_url}
    queues = fleet.queue_names()
    with (
        started("beat", "--loglevel=INFO", log=tmp_path / "beat", **addresses) as beat,
        worker("threads", tmp_path / "log", f"--queues={','.join(queues)}", **addresses) as process,
        TaskEvents(rabbitmq_url) as seen,
    ):
        with Connection(rabbitmq_url) as connection:
            for queue in queues:
                assert is_quorum(connection, queue)
        with Celery(broker=rabbitmq_url, set_as_current=False) as app:
            app.conf.task_create_missing_queue_type = "quorum"
            naps = [app.send_task(NAP, (0,), queue=queue).id for queue in queues]
        for nap in naps:
            seen.wait_for("task-succeeded", nap)
        seen.wait_for("task-succeeded", "watchfleet.probes.dispatch:")
        assert beat.runs
        assert "WARNING" not in process.output()


def is_quorum(connection: Connection, queue: str) -> bool:
    """Whether RabbitMQ takes this kind for what is there, and refuses another."""
    return declares(connection, queue, "quorum") and not declares(connection, queue, "classic")


def declares(connection: Connection, queue: str, kind: str) -> bool:
    try:
        with connection.channel() as channel:
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments={"x-queue-type": kind})
    except ChannelError:
        return False
    return True
