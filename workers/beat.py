"""Beat, of which any number may run: one leads and sends what is due, the others wait to take over.

`watchfleet.db.leadership` holds the rules of who leads and which slots are claimed. This module is the
process around them: what it does while PostgreSQL or the broker is away, and how it stops.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from threading import Event
from typing import Any, Final

from celery import signals
from celery.beat import ScheduleEntry, Scheduler, SchedulingError, Service
from celery.utils.log import get_logger
from kombu.connection import Connection as BrokerConnection
from psycopg2 import extensions
from sqlalchemy.exc import SQLAlchemyError

from watchfleet.errors import ConfigError
from workers import liveness
from workers.candidate import Candidate, wait_for_answer

logger = get_logger(__name__)

RETRY: Final = 0.5
"""Seconds between two tries to reach PostgreSQL."""
TRANSIT: Final = timedelta(milliseconds=100)
"""What a message needs to reach a worker; one that expires before is not sent."""
# A publish that hangs may cost a tick, never the lease.
_BROKER_TIMEOUTS: Final = {
    "redis": {"socket_timeout": 1, "socket_connect_timeout": 1},
    "amqp": {"read_timeout": 1, "write_timeout": 1},
}


class PostgresScheduler(Scheduler):  # type: ignore[misc]  # celery publishes no types
    """Sends each entry once in every slot of its period, counted from the Unix epoch.

    A message's task id is `<entry>:<slot>`, and it expires when its slot ends.
    """

    max_interval: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._stopping = Event()
        self._ticking = False
        self._outages: set[str] = set()
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Read the entries, without Celery's own: it would clean a result store that expires by itself.

        Raises:
            ConfigError: An entry has no fixed period, or there is no database.
        """
        self.merge_inplace(self.app.conf.beat_schedule)
        self._candidate = Candidate({name: _period(entry) for name, entry in self.schedule.items()})

    def tick(self, *_args: Any, **_kwargs: Any) -> float:
        """Send what is due if we lead; return the seconds until the next look.

        It returns only after it has been in PostgreSQL: beat's remote control answers as long as ticks end,
        and so goes silent when none can be made.
        """
        with self._undisturbed():
            while not self._stopping.is_set():
                try:
                    pause = self._look()
                except SQLAlchemyError as error:
                    self._candidate.close()
                    self._report("PostgreSQL", error)
                    self._stopping.wait(RETRY)
                else:
                    self._report("PostgreSQL", None)
                    liveness.touch()
                    return pause
        raise SystemExit

    def stop(self, *_signal: Any) -> None:
        """End beat: at once between two ticks, else when the present one is through."""
        self._stopping.set()
        if not self._ticking:
            raise SystemExit

    def close(self) -> None:
        """Let another beat lead, and leave the broker."""
        self._candidate.close()
        super().close()

    @property
    def info(self) -> str:
        """A line of beat's banner."""
        return "    . leader -> elected in PostgreSQL"

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """A signal must not fall between a claim and its message."""
        self._ticking = True
        try:
            yield
        finally:
            self._ticking = False
        if self._stopping.is_set():
            raise SystemExit

    def _look(self) -> float:
        begun = time.monotonic()
        if not self._candidate.leads:
            lapse = self._candidate.stand()
            if not self._candidate.leads:
                return min(self.max_interval, max(lapse, 0.01))
        sent = self._reaches_broker() and self._send(self._candidate.claim())
        left = begun + self.max_interval - time.monotonic()
        return max(min(left, self._candidate.until_due()) if sent else left, 0.0)

    def _reaches_broker(self) -> bool:
        """Connect if need be, before anything is claimed: a claim during an outage would be undone."""
        if "producer" in self.__dict__:
            return True
        self._candidate.renew()  # connecting may take a second of the lease
        try:
            return self.producer is not None
        except Exception as error:  # noqa: BLE001 - whatever a transport raises, the next tick tries again
            self._lose_broker(error)
            return False

    def _send(self, slots: dict[str, datetime]) -> bool:
        unsent = dict(slots)
        try:
            for name, slot in slots.items():
                message = _message(self.schedule[name], slot)
                if message.options["expires"] > self._candidate.now() + TRANSIT:  # else nobody would run it
                    self.apply_async(message, producer=self.producer, advance=False)
                self._candidate.sent(name, unsent.pop(name))
        except SchedulingError as error:
            self._lose_broker(error)
            self._candidate.give_back(unsent)
            return False
        self._report("the broker", None)
        return True

    def _lose_broker(self, error: Exception) -> None:
        self._report("the broker", error)
        self.__dict__.pop("producer", None)
        connection = self.__dict__.pop("connection", None)
        if connection is not None:
            connection.collect()  # unlike release(), says no goodbye that a hanging broker would not answer

    @cached_property
    def connection(self) -> BrokerConnection:
        """The broker's connection, on which nothing takes longer than a second."""
        driver = self.app.connection_for_write().transport.driver_type
        options = _BROKER_TIMEOUTS.get(driver, {})
        found: BrokerConnection = self.app.connection_for_write(transport_options=options, connect_timeout=1)
        return found

    def _ensure_connected(self) -> BrokerConnection:
        self.connection.ensure_connection(max_retries=0)
        return self.connection

    def _report(self, what: str, error: Exception | None) -> None:
        """Log an outage when it begins and when it ends, not at every tick."""
        if error is not None and what not in self._outages:
            self._outages.add(what)
            cause = error.__context__ or error  # Celery and SQLAlchemy wrap what the server or socket said
            logger.error("%s is away, no tick until it is back: %s: %s", what, type(cause).__name__, cause)
        elif error is None and what in self._outages:
            self._outages.remove(what)
            logger.info("%s is back", what)


def _period(entry: ScheduleEntry) -> timedelta:
    period = getattr(entry.schedule, "run_every", None)
    if not isinstance(period, timedelta) or period <= timedelta(0):
        raise ConfigError(
            f"beat_schedule: {entry.name} has the schedule {entry.schedule!r}", mend="give it a fixed period"
        )
    return period


def _message(entry: ScheduleEntry, slot: datetime) -> ScheduleEntry:
    """The entry with the options of one slot: the same, whichever beat sends it and however often."""
    options = {
        **entry.options,
        "task_id": f"{entry.name}:{slot.isoformat().replace('+00:00', 'Z')}",
        "expires": slot + timedelta(seconds=entry.options.get("expires", _period(entry).total_seconds())),
        "retry": False,  # the next tick tries again, if its slot is still worth it
    }
    return ScheduleEntry(**{**dict(entry), "options": options})


def _begin(sender: Service, **_: Any) -> None:
    extensions.set_wait_callback(wait_for_answer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, sender.scheduler.stop)


signals.beat_init.connect(_begin)
