"""Tasks that tests have real workers run. Each tells in Redis what it does, as `<task id> <event> <pid>`."""

import logging
import os
import signal
import time

from celery import Task, shared_task

from watchfleet.db.cache import get_cache

DIARY = "diary"


def _note(task: Task, event: str) -> None:
    get_cache().rpush(DIARY, f"{task.request.id} {event} {os.getpid()}")


def diary() -> list[list[str]]:
    """What the tasks told: id, event and pid, in order."""
    return [line.split() for line in get_cache().lrange(DIARY, 0, -1)]


def events(task_id: str) -> list[str]:
    """What one task told, in order."""
    return [event for found, event, _ in diary() if found == task_id]


@shared_task(name="watchfleet.upkeep.testing.nap", bind=True)
def nap(self: Task, seconds: float) -> None:
    _note(self, "began")
    time.sleep(seconds)
    _note(self, "ended")


@shared_task(name="watchfleet.upkeep.testing.die", bind=True, max_retries=1)
def die(self: Task) -> None:
    _note(self, "began")
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="watchfleet.upkeep.testing.fail", bind=True)
def fail(self: Task, payload: dict[str, str]) -> None:
    _note(self, "began")
    raise ValueError(f"no way to {payload['url']}")


@shared_task(name="watchfleet.upkeep.testing.pass_on")
def pass_on(times: int) -> None:
    """Log, and have another task do so, `times` times."""
    logging.getLogger("testing").info("left: %d", times)
    if times:
        pass_on.delay(times - 1)


@shared_task(name="watchfleet.upkeep.testing.add", ignore_result=False)
def add(x: int, y: int) -> int:
    return x + y
