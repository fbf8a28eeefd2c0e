"""How a batch gets to the fleet: as a Celery message for `watchfleet.ingest.write`, on the fleet's broker.

The message is made here by Celery's documented protocol and published with kombu alone. A Celery
application of ours inside the host's process could become its current one, would read a `celeryconfig` that
lies about, and would have every publish traced and counted as if it were the host's own.
"""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Final

# Imported by the first connect otherwise, and at the end of a process redis can no longer be imported.
import kombu.transport.pyamqp
import kombu.transport.redis  # noqa: F401 - as above
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.messaging import Producer

from watchfleet.correlation import HEADER
from watchfleet.fleet import INGEST_QUEUE, INGEST_TASK, MEMORY_QUEUES
from watchfleet.wire import Batch

AMQP_SCHEMES: Final = ("amqp://", "amqps://", "pyamqp://")
REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://", "redis+socket://")


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the fleet's broker is.

    Attributes:
        url: Its address; several, parted by semicolons, are tried in turn.
        ssl: Celery's `broker_use_ssl`, if the address came with one.
    """

    url: str = field(repr=False)
    ssl: Any = None

    @property
    def amqp(self) -> bool:
        """Whether it is a RabbitMQ."""
        return self.url.startswith(AMQP_SCHEMES)

    @property
    def usable(self) -> bool:
        """Whether a fleet may run on it."""
        return self.url.startswith(AMQP_SCHEMES + REDIS_SCHEMES)


def queue(broker: Broker) -> "Queue":
    """The fleet's ingest queue, with the very arguments with which the fleet declares it.

    Whoever comes first creates it. The default exchange leads to it, so a batch needs no binding.
    """
    arguments = {"x-queue-type": "quorum"} if broker.amqp else None
    return Queue(INGEST_QUEUE, Exchange(""), routing_key=INGEST_QUEUE, queue_arguments=arguments)


def orders(broker: Broker, process: str) -> "Queue":
    """The queue of what a process is asked for; RabbitMQ deletes one that nobody looks into."""
    expires = {"x-expires": 600_000} if broker.amqp else None
    name = f"{MEMORY_QUEUES}{process}"
    return Queue(name, Exchange(""), routing_key=name, queue_arguments=expires)


def options(broker: Broker, timeout: float) -> dict[str, Any]:
    """The transport's options that bound each step of a connection that only sends and looks.

    Args:
        broker: The broker.
        timeout: Seconds for each step.
    """
    if broker.amqp:
        return {
            "confirm_publish": True,  # a publish that RabbitMQ lost raises
            "read_timeout": timeout,
            "write_timeout": timeout,
        }
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "socket_keepalive": True,
        "client_name": "watchfleet-client",
        "body_encoding": "utf-8",  # the body is text already: base64 around it would cost a third more
    }


def headers(batch_id: str, rows: int) -> dict[str, Any]:
    """The headers of a task message, protocol 2; what events show of its arguments tells no content."""
    return {
        "lang": "py",
        "task": INGEST_TASK,
        "id": batch_id,
        "root_id": batch_id,
        "parent_id": None,
        "group": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": f"('{batch_id}', <{rows} rows>)",
        "kwargsrepr": "{}",
        "origin": f"{os.getpid()}@{socket.gethostname()}",
        "ignore_result": True,
        HEADER: batch_id,
    }


class Shipper:
    """A publisher of this process's own, which connects anew after every failure.

    Args:
        find_broker: Returns where the broker is; called on every connect.
        timeout: Seconds for each step: to connect, to write, to be answered.

    Attributes:
        first: Held during every `send` until one has succeeded. Until then a send imports modules, of which
            a child that is forked meanwhile would have halves for ever.
    """

    def __init__(self, find_broker: Callable[[], Broker], timeout: float) -> None:
        self._find_broker, self._timeout = find_broker, timeout
        self.first = threading.Lock()
        self._proven = False
        self._connection: Any = None
        self._producer: Any = None
        self._queue: Any = None
        self._broker: Broker | None = None

    def send(self, batch_id: str, batch: Batch, rows: int) -> None:
        """Publish one batch, and return when the broker has it.

        Raises:
            Exception: It may or may not have arrived; send it again under the same id.
        """
        with nullcontext() if self._proven else self.first:
            self._send(batch_id, batch, rows)
        self._proven = True

    def _send(self, batch_id: str, batch: Batch, rows: int) -> None:
        if self._producer is None:
            self._connect()
        try:
            self._producer.publish(
                [[batch_id, batch], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}],
                serializer="json",
                routing_key=INGEST_QUEUE,
                declare=[self._queue] if self._queue else [],
                headers=headers(batch_id, rows),
                correlation_id=batch_id,
                mandatory=self._queue
                is not None,  # a queue that was deleted meanwhile is an error, not a loss
                timeout=self._timeout,
                confirm_timeout=self._timeout,
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the broker; the next `send` connects again."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            with suppress(Exception):  # a broken connection cannot be closed any better
                connection.close()

    def look(self, process: str) -> Any:
        """What a process is asked for, if anything is; None while there is no connection.

        Raises:
            Exception: The broker did not answer.
        """
        if self._producer is None or self._broker is None:
            return None
        bound = orders(self._broker, process)(self._producer.channel)
        try:
            if self._broker.amqp:
                bound.declare()
            message = bound.get(no_ack=True, accept={"json"})
        except BaseException:
            self.close()
            raise
        return None if message is None else message.payload

    def _connect(self) -> None:
        broker = self._broker = self._find_broker()
        self._connection = Connection(
            broker.url,
            ssl=broker.ssl,
            connect_timeout=self._timeout,
            transport_options=options(broker, self._timeout),
        )
        try:
            others = max(len(self._connection.alt) - 1, 0)
            self._connection.ensure_connection(max_retries=others, interval_start=0, timeout=self._timeout)
            self._producer = Producer(self._connection.channel(), auto_declare=False)
        except BaseException:
            self.close()
            raise
        # On Redis a queue is a list that the first message creates.
        self._queue = queue(broker) if broker.amqp else None
