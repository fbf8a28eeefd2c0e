"""The watchdog outside Celery: sees what waits too long, and pings an outside switch only while all is well.

It runs in the web process, so that it still looks when no worker, no beat and no broker does. What it pings
(a dead man's switch, such as a check of Healthchecks) raises the alarm when the pings stop: then also this
process, its machine or its network may be gone.
"""

import logging
from dataclasses import dataclass
from threading import Event, Thread
from typing import Final

from sqlalchemy import Connection, func, select

from watchfleet import http
from watchfleet.addresses import operator_guard
from watchfleet.db.engine import server_clock, transaction
from watchfleet.db.tables import beat_leader
from watchfleet.errors import DeliveryError
from watchfleet.notify.accounts import accounting, oldest_due
from watchfleet.redact import redact
from watchfleet.settings import Settings

logger = logging.getLogger(__name__)

PERIOD: Final = 30.0
OVERDUE: Final = 60.0
"""Seconds for which a notification may be due: several times what a lost worker costs."""
SILENCE: Final = 30.0
"""Seconds for which beat may be silent."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the watchdog sees.

    Attributes:
        oldest_due: Seconds for which the oldest notification has been due that could go out.
        unaccounted: By how much the accounts of the outbox do not balance.
        silence: Seconds since beat's last tick; None if there never was one.
    """

    oldest_due: float
    unaccounted: int
    silence: float | None


def look(connection: Connection) -> Look:
    """See how deliveries stand."""
    now = server_clock(connection)
    ticked = connection.scalar(select(func.max(beat_leader.c.ticked_at)).where(beat_leader.c.epoch > 0))
    silence = (now - ticked).total_seconds() if ticked else None
    return Look(oldest_due(connection, now), accounting(connection)["unaccounted"], silence)


def why_unwell(seen: Look) -> str:
    """What is wrong, for people; empty when all is well."""
    if seen.oldest_due > OVERDUE:
        return f"a notification has been due for {seen.oldest_due:.0f} s and nobody sends it"
    if seen.unaccounted:
        return f"the outbox does not balance: {seen.unaccounted} notifications are unaccounted for"
    if seen.silence is None:
        return "no beat has ever led here"
    if seen.silence > SILENCE:
        return f"beat has been silent for {seen.silence:.0f} s"
    return ""


class Watchdog:
    """Looks every `period` seconds, in a thread of its own.

    Args:
        settings: Hold the switch's address, if there is one.
        period: Seconds between two looks.
    """

    def __init__(self, settings: Settings, period: float = PERIOD) -> None:
        self._url, self._period = settings.dead_mans_switch_url, period
        self._guard = operator_guard(settings.outgoing_allow)
        self._end, self._said = Event(), ""
        self._thread = Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; returns when the thread has ended."""
        self._end.set()
        self._thread.join(http.TIMEOUT + 1)

    def check(self) -> str:
        """Look once, and ping if all is well; returns what is wrong."""
        reason = _look_once()
        if reason != self._said:
            logger.error("watchdog: %s", reason) if reason else logger.info("watchdog: all is well again")
            self._said = reason
        if not reason and self._url is not None:
            self._ping(self._url.get_secret_value())
        return reason

    def _run(self) -> None:
        while not self._end.wait(self._period):
            self.check()

    def _ping(self, url: str) -> None:
        try:
            http.post(url, b"", {}, guard=self._guard)
        except DeliveryError as error:
            logger.warning("the dead man's switch could not be reached: %s", redact(str(error)))


def _look_once() -> str:
    try:
        with transaction() as connection:
            return why_unwell(look(connection))
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing is known to be well
        return redact(f"the store cannot be read: {type(error).__name__}: {error}")
