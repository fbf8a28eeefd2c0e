"""`celery_canary`: does a task get through each queue? A ping is answered by workers whose tasks hang.

The task is `celery.accumulate`, which every Celery worker has and which does nothing; its `link` has the
worker send a message to a queue of this check's own. So whoever works on the queue needs no code of ours.
"""

import json
import time
from collections.abc import Iterable
from typing import Any, Final
from uuid import uuid4

from celery import Celery
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from pydantic import Field, SecretStr

from watchfleet import fleet
from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes import reasons
from watchfleet.probes.brokers import FAILURES, broker_url, connected
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason

TASK: Final = "celery.accumulate"
PAUSE: Final = 0.02
"""Seconds between two looks for answers."""
RESERVE: Final = 0.1
"""Seconds of the deadline that are kept to clean up."""

_EXCHANGE: Final = Exchange("watchfleet.canary", type="direct")
# Bound for ever, and nothing comes here: on Redis, what is sent to an exchange without any queue raises in
# the worker that sends it, and an answer that is late finds no queue of its own any more.
_ANCHOR: Final = Queue("watchfleet.canary", _EXCHANGE, routing_key="nobody")
_messages: Final = Celery("canary", set_as_current=False)


class CanaryOptions(Options):
    """The settings of `celery_canary`."""

    url: SecretStr | None = Field(None, description="The broker. Not set: the fleet's own.")
    queues: list[str] = Field(
        default_factory=list, description="The queues to send through. Not set: every queue of the fleet."
    )


def probe(target: Target, options: CanaryOptions, deadline: Deadline) -> ProbeResult:
    """Send a task through each queue, and wait until each has run."""
    attempt = Attempt(target)
    queues = options.queues or ([] if options.url else list(fleet.queue_names()))
    try:
        with connected(broker_url(options.url), deadline) as connection:
            taken = _through(connection, queues, deadline)
    except LookupError as error:
        return attempt.unknown(Reason.PROBE_ERROR, str(error))
    except FAILURES as error:
        return attempt.unknown(reasons.of_exception(error), "the broker cannot be reached")
    values = [
        Measurement("celery_canary_seconds", seconds, {"queue": name}) for name, seconds in taken.items()
    ]
    missing = [name for name in queues if name not in taken]
    if missing:
        detail = f"no task got through {', '.join(missing)} within {target.timeout.total_seconds():g} s"
        return attempt.down(Reason.NO_PROGRESS, detail, values)
    return attempt.up(values, duration=max(taken.values(), default=0.0))


def _through(connection: Connection, queues: Iterable[str], deadline: Deadline) -> dict[str, float]:
    """How many seconds a task took through each queue; those through which none came are missing."""
    own = f"watchfleet.canary.{uuid4().hex}"
    with connection.channel() as channel:
        _ANCHOR(channel).declare()
        answers = Queue(own, _EXCHANGE, routing_key=own, exclusive=True, auto_delete=True, durable=False)(
            channel
        )
        answers.declare()
        try:
            began = time.monotonic()
            for name in queues:
                _send(connection, name, own, deadline)
            return _collected(answers, set(queues), began, deadline)
        finally:
            answers.delete()


def _send(connection: Connection, queue: str, answer_to: str, deadline: Deadline) -> None:
    answer = {
        "task": "watchfleet.canary.arrived",
        "args": [queue],
        "kwargs": {},
        "options": {"exchange": _EXCHANGE.name, "routing_key": answer_to},
        "subtask_type": None,
        "immutable": True,
    }
    message = _messages.amqp.as_task_v2(
        uuid4().hex, TASK, expires=deadline.remaining(), callbacks=[answer], ignore_result=True
    )
    # To the queue as it is: declared anew, it would have to be as its owner declared it.
    connection.Producer(auto_declare=False).publish(
        message.body,
        exchange="",
        routing_key=queue,
        headers=message.headers,
        serializer="json",
        **message.properties,
    )


def _collected(answers: Queue, awaited: set[str], began: float, deadline: Deadline) -> dict[str, float]:
    taken: dict[str, float] = {}
    while awaited - taken.keys() and deadline.remaining() > RESERVE:
        message = answers.get(no_ack=True)
        if message is None:
            time.sleep(PAUSE)
        else:
            taken.setdefault(_queue_of(message.body), time.monotonic() - began)
    return taken


def _queue_of(body: Any) -> str:
    arguments, _, _ = json.loads(body)
    return str(arguments[0])
