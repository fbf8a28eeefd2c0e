"""Real workers: how they end, what survives a kill, and what they say of their work."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from celery import Celery
from redis import Redis
from sqlalchemy import make_url
from support.processes import READY, started, worker
from support.relay import relay_to
from support.servers import wait_until
from support.task_events import TaskEvents
from support.worker_tasks import die, events, fail, nap

from workers.task import Task

QUEUE = "watchfleet.upkeep"
pytestmark = pytest.mark.usefixtures("environment")


@pytest.fixture
def send(redis_url: str) -> Iterator[Callable[..., str]]:
    """Sends one of `support.worker_tasks`, as the fleet sends its own; returns the task's id."""
    with Celery(broker=redis_url, task_cls=Task, set_as_current=False) as app:
        app.conf.update(task_default_queue=QUEUE, task_send_sent_event=True)
        yield lambda task, *args: str(app.tasks[task.name].apply_async(args).id)


@pytest.fixture
def broker(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_on_sigterm_tasks_end_or_go_back_to_their_queue(
    pool: str, tmp_path: Path, broker: Redis, send: Callable[..., str]
):
    with worker(pool, tmp_path / "log", "--concurrency=2", "worker.soft_shutdown_timeout=2") as process:
        short, long = send(nap, 0.5), send(nap, 60)
        wait_until(lambda: bool(events(short)) and bool(events(long)))
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert events(short) == ["began", "ended"]
    assert events(long) == ["began"]
    assert broker.llen(QUEUE) == 1
    assert broker.hlen("unacked") == 0


def test_a_killed_child_is_replaced_and_children_die_with_a_killed_parent(
    tmp_path: Path, broker: Redis, send: Callable[..., str]
):
    with worker("prefork", tmp_path / "log", "--concurrency=1") as process:
        deadly, other = send(die), send(nap, 0)
        process.wait_for("Task handler raised error: WorkerLostError")
        wait_until(lambda: "ended" in events(other))
        assert events(deadly) == ["began"] * 2  # once, and `max_retries` times more
        wait_until(lambda: broker.hlen("unacked") == 0)
        assert broker.llen(QUEUE) == 0

        children = process.children()
        os.kill(process.pid, signal.SIGKILL)
        assert children
        assert psutil.wait_procs(children, timeout=10)[1] == []


def test_a_worker_waits_for_its_broker_and_a_solo_one_ends_its_task(
    tmp_path: Path, redis_url: str, broker: Redis, send: Callable[..., str]
):
    command = ("worker", "--pool=solo", f"--queues={QUEUE}", "--include=support.worker_tasks")
    with relay_to(make_url(redis_url).port or 0) as relay:
        url = make_url(redis_url).set(port=relay.port).render_as_string(hide_password=False)
        relay.cut()
        with started(*command, "--loglevel=INFO", log=tmp_path / "log", BROKER_URL=url) as process:
            process.wait_for("Cannot connect")
            relay.mend()
            process.wait_for(READY)
            task = send(nap, 1)
            wait_until(lambda: bool(events(task)))
            process.signal(signal.SIGTERM)
            assert process.wait() == 0
    assert events(task) == ["began", "ended"]
    assert broker.hlen("unacked") == 0


def test_neither_log_nor_events_hold_a_payload_or_a_secret(
    tmp_path: Path, redis_url: str, send: Callable[..., str]
):
    node = ("--concurrency=1", "--hostname=upkeep@here")
    with (
        TaskEvents(redis_url) as seen,
        worker("prefork", tmp_path / "upkeep.log", *node, LOG_DIRECTORY=str(tmp_path)),
    ):
        task = send(fail, {"url": "postgresql://monitor:topsecret@db/x"})
        failed = seen.wait_for("task-failed", task)
        received = seen.wait_for("task-received", task)
    assert received["args"] == "(<dict of 1>)"
    assert "postgresql://monitor:***@db/x" in failed["exception"]
    assert "postgresql://monitor:***@db/x" in (tmp_path / "upkeep.log").read_text()
    assert "topsecret" not in "".join(map(str, [*seen.of("task-sent"), received, failed]))
    assert "topsecret" not in "".join(path.read_text() for path in tmp_path.iterdir())
