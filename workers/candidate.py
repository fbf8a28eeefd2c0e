"""One beat's standing in PostgreSQL."""

import os
import select
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg2
from celery.utils.log import get_logger
from psycopg2 import extensions
from sqlalchemy import Connection, NullPool, create_engine, make_url

from watchfleet.clock import slot_start
from watchfleet.db import leadership
from watchfleet.db.engine import database_url

logger = get_logger(__name__)

PATIENCE: Final = 1.5
"""Seconds that PostgreSQL may take for one answer: less than a lease, so that a leader learns in time."""
_CONNECT_ARGS: Final = {
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": 1500,
    "application_name": "watchfleet-beat",
    "options": "-c statement_timeout=1500 -c timezone=UTC",
}


class Candidate:
    """One beat's standing in PostgreSQL: its session, its term if it leads, and the slots it knows of.

    Every method raises SQLAlchemyError when PostgreSQL does not answer; `close` it then.

    Args:
        periods: Each entry's period, by its name.
    """

    def __init__(self, periods: Mapping[str, timedelta]) -> None:
        self._periods = periods
        self._engine = create_engine(
            make_url(database_url()).set(drivername="postgresql+psycopg2"),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args=_CONNECT_ARGS,
        )
        self._session: Connection | None = None
        self._epoch: int | None = None
        self._recorded: dict[str, datetime] = {}
        self._behind = 0.0

    @property
    def leads(self) -> bool:
        """Whether it won a term, and has not heard that it is over."""
        return self._epoch is not None

    def stand(self) -> float:
        """Stand for leader; return the seconds until the present leader's lease lapses."""
        outcome = leadership.campaign(self._connection(), f"{socket.gethostname()}:{os.getpid()}")
        self._set_clock(outcome.now)
        if outcome.epoch is not None:
            self._recorded = leadership.recorded_slots(self._connection(), list(self._periods))
            self._epoch = outcome.epoch
            logger.info("leads: term %d", outcome.epoch)
        return (outcome.lapses_at - outcome.now).total_seconds()

    def claim(self) -> dict[str, datetime]:
        """Renew the lease and claim what is due; return the slots to send, none if the term is over."""
        return self._tick(leadership.due_slots(self._periods, self._recorded, self.now()))

    def renew(self) -> None:
        """Renew the lease, and claim nothing."""
        self._tick({})

    def sent(self, name: str, slot: datetime) -> None:
        """Remember that a claimed slot's message is out."""
        self._recorded[name] = slot

    def give_back(self, slots: Mapping[str, datetime]) -> None:
        """Undo the claim of slots that could not be sent."""
        for name, slot in slots.items():
            before = self._recorded.get(name, leadership.NEVER)
            leadership.give_back(self._connection(), name, slot, before)

    def until_due(self) -> float:
        """Seconds until the next entry is due; 0 when one is."""
        now = self.now()
        if leadership.due_slots(self._periods, self._recorded, now):
            return 0.0  # its slot began after we claimed
        ends = [slot_start(now, period) + period - now for period in self._periods.values()]
        return min((end.total_seconds() for end in ends), default=float("inf"))

    def now(self) -> datetime:
        """The server's time, as far as it can be told from here."""
        return datetime.fromtimestamp(time.monotonic() + self._behind, UTC)

    def close(self) -> None:
        """End the session, and with it the term: the next beat to look leads."""
        self._epoch = None
        if self._session is not None:
            self._session.invalidate()  # never waits for a server that may be gone
            self._session.close()
            self._session = None

    def _tick(self, due: Mapping[str, datetime]) -> dict[str, datetime]:
        if self._epoch is None:
            return {}
        claimed = leadership.claim(self._connection(), self._epoch, due)
        if claimed is None:
            logger.warning("term %d is over: another beat leads", self._epoch)
            self.close()
            return {}
        self._set_clock(claimed.now)
        # What was not granted has been claimed before: in a term of ours that ended amid a statement.
        self._recorded.update({name: slot for name, slot in due.items() if name not in claimed.names})
        return {name: slot for name, slot in due.items() if name in claimed.names}

    def _connection(self) -> Connection:
        if self._session is None:
            self._session = self._engine.connect()
        return self._session

    def _set_clock(self, now: datetime) -> None:
        self._behind = now.timestamp() - time.monotonic()


def wait_for_answer(connection: extensions.connection) -> None:
    """Wait for PostgreSQL as psycopg2 does, but no longer than `PATIENCE`: its wait callback in beat.

    A server that was stopped, or lies behind a proxy, acknowledges what it never answers: no timeout of
    TCP's ends that, and none of the server's own.

    Raises:
        OperationalError: There was no answer.
    """
    end = time.monotonic() + PATIENCE
    while (state := connection.poll()) != extensions.POLL_OK:
        readers = [connection] if state == extensions.POLL_READ else []
        writers = [connection] if state == extensions.POLL_WRITE else []
        left = end - time.monotonic()
        if left <= 0 or not any(select.select(readers, writers, [], left)):
            raise psycopg2.OperationalError(f"no answer within {PATIENCE} s")
