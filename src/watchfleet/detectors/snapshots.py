"""Ask processes for snapshots of their memory: somebody does, or a leak that was found."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from kombu.connection import Connection as BrokerConnection
from kombu.exceptions import KombuError
from kombu.messaging import Producer
from redis import RedisError
from sqlalchemy import Connection

from watchfleet.complaints import similar
from watchfleet.db.engine import transaction
from watchfleet.detectors.memory_trend import Origin
from watchfleet.detectors.processes import GONE, RESIDENT, Process
from watchfleet.errors import ConfigError, WatchfleetError
from watchfleet.instrument.shipping import Broker, options, orders
from watchfleet.metrics import read, snapshots
from watchfleet.metrics.snapshots import Snapshot
from watchfleet.redact import redact
from watchfleet.settings import get_settings

logger = logging.getLogger(__name__)

TASKS: Final = 200
SECONDS: Final = 60.0
AGAIN: Final = timedelta(hours=6)
"""How long after a snapshot of a process its leak does not ask for another."""
AFTER_FAILURE: Final = timedelta(minutes=30)
"""The same of a process that did not answer, or could not tell."""
TIMEOUT: Final = 5.0
"""Seconds that the broker gets for each step."""


class UnderWayError(WatchfleetError):
    """Another process is at it."""


class UnknownProcessError(WatchfleetError):
    """No process of that name reports by itself."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a snapshot goes.

    Attributes:
        tasks: It ends after so many tasks,
        seconds: or so many seconds.
    """

    tasks: int = TASKS
    seconds: float = SECONDS


def ask(connection: Connection, process: str, now: datetime, extent: Extent = Extent()) -> Snapshot:
    """Ask a process; the order is with the broker when this returns, and the caller commits.

    Raises:
        UnknownProcessError: No process of that name was heard of lately.
        UnderWayError: Another process is at it.
        ConfigError: BROKER_URL is not set.
        OSError, KombuError, RedisError: The broker does not answer.
    """
    known = _able(connection, now)
    if process not in known:
        hint = similar(process, known) or "`watchfleet memory list` lists those that report by themselves"
        raise UnknownProcessError(f"no process {process!r} can be asked ({hint})")
    wanted = snapshots.ask(connection, process, now, extent.seconds)
    if wanted is None:
        raise UnderWayError("a snapshot is being taken already; one process at a time is asked")
    _send(wanted, extent)
    return wanted


def follow_up(leaking: Iterable[Process], now: datetime) -> None:
    """Ask the first of these that can answer and was not asked lately; while the broker is away, nobody.

    Only processes that report by themselves can, and tracemalloc sees nothing of a native leak.
    """
    able = [one for one in leaking if "service" in one.labels and one.verdict.origin is not Origin.NATIVE]
    try:
        with transaction() as connection:
            if not snapshots.under_way(connection, now):
                new = (one for one in able if not _asked_lately(connection, one.name, now))
                for one in islice(new, 1):
                    ask(connection, one.name, now)
    except (OSError, KombuError, RedisError, ConfigError) as error:
        logger.warning("no process is asked for a snapshot of its memory: %s", redact(str(error)))


def _able(connection: Connection, now: datetime) -> list[str]:
    """The processes that were heard of lately and report by themselves, as those can that can be asked."""
    found = read.latest(connection, RESIDENT, now - GONE)
    return [one.labels["process"] for one in found if {"process", "service"} <= one.labels.keys()]


def _asked_lately(connection: Connection, process: str, now: datetime) -> bool:
    for newest in snapshots.read(connection, process, 1):
        told = newest.taken_at is not None and "error" not in newest.result
        return newest.asked_at > now - (AGAIN if told else AFTER_FAILURE)
    return False


def _send(wanted: Snapshot, extent: Extent) -> None:
    url = get_settings().broker_url
    if url is None:
        raise ConfigError("BROKER_URL is not set")
    broker = Broker(url.get_secret_value())
    begun_by = wanted.until - timedelta(seconds=extent.seconds)
    order = {
        "id": wanted.id,
        "tasks": extent.tasks,
        "seconds": extent.seconds,
        "until": begun_by.timestamp(),
    }
    with BrokerConnection(
        broker.url, connect_timeout=TIMEOUT, transport_options=options(broker, TIMEOUT)
    ) as connection:
        connection.ensure_connection(max_retries=0)
        queue = orders(broker, wanted.process)
        Producer(connection.channel(), auto_declare=False).publish(
            order,
            serializer="json",
            routing_key=queue.name,
            declare=[queue] if broker.amqp else [],
            timeout=TIMEOUT,
        )
