"""How Flower runs: `python -m celery -A workers flower --conf=workers/flowerconfig.py`.

What differs between installations comes from the environment: FLOWER_BASIC_AUTH, FLOWER_DB, FLOWER_PORT.
"""

from logging import INFO  # not the module: `logging` is an option of Flower's

from celery.events.state import Task

from watchfleet.redact import redact
from workers import logs

logs.configure(INFO, "flower")  # before tornado, which leaves a log that is set up as it is

persistent = True  # the history of tasks survives a restart
state_save_interval = 60_000  # and a kill, but for the last minute
max_tasks = 5000  # 4.5 KB each: 23 MB at most, for about an hour of the default schedule
purge_offline_workers = 3600  # a worker that was renamed or scaled away leaves the list


def format_task(task: Task) -> Task:
    """The task as Flower shows it: what looks like a secret in its arguments or result is masked."""
    for name in ("args", "kwargs", "result", "exception", "traceback"):
        value = getattr(task, name, None)
        if value:
            setattr(task, name, redact(str(value)))
    return task
