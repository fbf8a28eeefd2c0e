"""An application as a user writes one: Flask, Requests, Celery tasks that call each other, SQLAlchemy, logs.

Run as `flask --app support.traced_host` and as `celery -A support.traced_host`. Each log line is
`<logger> <correlation id> <message>`, appended to the file that LOG_LINES names.
"""

import logging
import os
import signal
import time
from pathlib import Path

import requests
import sqlalchemy
from celery import Celery, Task, chain, chord, group
from flask import Flask

import watchfleet
from watchfleet import correlation

celery = Celery("host", broker=os.environ["HOST_BROKER_URL"], backend=os.environ["HOST_BROKER_URL"])
celery.conf.update(
    task_default_queue="host",
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    beat_schedule={"tick": {"task": "say", "schedule": 1.0, "args": ("tick",)}},
    broker_transport_options={
        "visibility_timeout": int(os.environ.get("VISIBILITY_TIMEOUT", "3600")),
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
)
engine = sqlalchemy.create_engine("sqlite://")
app = Flask("host")
watchfleet.instrument(app, service="host", broker_url=os.environ["HOST_BROKER_URL"])

logger = logging.getLogger("host")
logger.setLevel(logging.INFO)
handler = logging.FileHandler(os.environ["LOG_LINES"])
handler.setFormatter(logging.Formatter("%(name)s %(correlation_id)s %(message)s"))
logger.addHandler(handler)


def once(name: str) -> bool:
    """Whether it is called under that name for the first time, in whichever process."""
    try:
        Path(f"{os.environ['LOG_LINES']}.{name}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@celery.task(name="noop")
def noop(*_: object) -> None:
    logger.info("noop")


@celery.task(name="say")
def say(*words: object) -> str:
    """Log its last argument; what was returned before comes first in a chain and a callback."""
    logger.info("say %s", words[-1])
    return str(words[-1])


@celery.task(name="retried", bind=True, default_retry_delay=0)
def retried(self: Task) -> None:
    logger.info("retried %d", self.request.retries)
    if self.request.retries < 2:
        raise self.retry()


@celery.task(name="fails")
def fails() -> None:
    logger.info("fails")
    raise LookupError


@celery.task(
    name="killed", bind=True, acks_late=True, retry_on_worker_lost=True, max_retries=3, default_retry_delay=0
)
def killed(self: Task, name: str) -> None:
    logger.info("killed %d", self.request.retries)
    if once(name):
        os.kill(os.getpid(), signal.SIGKILL)


@celery.task(name="lost")
def lost() -> None:
    logger.info("lost")
    os.kill(os.getpid(), signal.SIGKILL)


@celery.task(name="fatal", acks_late=True)
def fatal(name: str) -> None:
    """The end of its worker, parent and children, when it runs for the first time."""
    logger.info("fatal")
    if once(name):
        os.killpg(0, signal.SIGKILL)


@celery.task(name="outer")
def outer(url: str) -> None:
    logger.info("outer")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
    requests.get(url, timeout=10)
    say.delay("inner")


@app.post("/primitives")
def primitives() -> str:
    """Use every primitive once."""
    logger.info("request")
    say.delay("delay")
    say.apply_async(("apply_async",))
    celery.send_task("say", ("send_task",))
    retried.delay()
    chain(say.si("chain-1"), say.si("chain-2"), say.si("chain-3")).delay()
    group(say.si("group-1"), say.si("group-2")).delay()
    chord([say.si("header-1"), say.si("header-2")])(say.si("body"))
    say.apply_async(("linking",), link=say.si("link"))
    fails.apply_async(link_error=say.si("link_error"))
    killed.delay(f"killed-{correlation.current()}")
    lost.apply_async(link_error=[say.si("lost-error"), told.s()])
    hangs.apply_async(link_error=say.si("hung-error"))
    return correlation.current() or ""


@app.post("/fatal")
def end() -> str:
    fatal.delay("fatal")
    return "ok"


@app.post("/outer")
def begin() -> str:
    logger.info("request")
    requests.get(os.environ["OTHER_SITE"], timeout=10)
    outer.delay(os.environ["OTHER_SITE"])
    return "ok"


@celery.task(name="hangs", time_limit=1)
def hangs() -> None:
    logger.info("hangs")
    time.sleep(60)


@celery.task(name="told")
def told(task_id: str) -> None:
    """An errback that is sent as a message: those that take more are called where the failure is noticed."""
    logger.info("told")
