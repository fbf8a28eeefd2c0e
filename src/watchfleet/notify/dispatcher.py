"""The dispatcher: looks at groups when they are due, driven by a timer and not by ticks.

It sleeps until the next group is due, and PostgreSQL wakes it when a transaction makes one due earlier
(LISTEN and NOTIFY). Any number may run: a group is looked at by whoever claims its row.
"""

import os
import select
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Final

import psycopg2
from psycopg2 import extensions, sql
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from watchfleet.db.engine import (
    CONNECT_ARGS,
    database_url,
    is_outage,
    libpq_url,
    server_clock,
    transaction,
)
from watchfleet.errors import StoreUnavailableError
from watchfleet.notify import groups, outbox, pipeline
from watchfleet.notify.policy import Policy

RETRY: Final = 0.5
"""Seconds between two tries to reach PostgreSQL."""
FORGETS_EVERY: Final = timedelta(minutes=10)

Report = Callable[[Exception | None], None]
"""Told that PostgreSQL is away, or with None that it is not."""


class Dispatcher:
    """Looks at groups until it is stopped.

    Args:
        policy: Who is told of what.
        wake: Has the channels of these names send what is due.
        report: Told of outages.
        alive: Called at every look.
        clock: Tells the time; by default that of the store, on which all who share it agree.
    """

    def __init__(
        self,
        policy: Policy,
        wake: Callable[[Sequence[str]], None],
        report: Report,
        alive: Callable[[], None],
        clock: Callable[[Connection], datetime] = server_clock,
    ) -> None:
        self._policy, self._wake, self._report, self._alive, self._clock = policy, wake, report, alive, clock
        self._stopping = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._forgot_at: datetime | None = None

    def run(self) -> None:
        """Look at groups until `stop` is called; while PostgreSQL is away, try again and again."""
        while not self._stopping:
            try:
                with closing(_listen()) as session:
                    self._begin()
                    while not self._stopping:
                        self._sleep(session, self.look())
            except (StoreUnavailableError, DBAPIError, psycopg2.Error) as error:
                if not is_outage(error):
                    raise
                self._report(error)
                select.select([self._reader], [], [], RETRY)

    def stop(self) -> None:
        """End `run` after the present look; may be called by a signal's handler."""
        self._stopping = True
        os.write(self._writer, b".")

    def look(self) -> timedelta:
        """Have what is written sent, look at the groups that are due; returns how long nothing else is."""
        while True:
            with transaction() as connection:
                published = outbox.publish(connection, self._clock(connection))
            self._wake(published)
            with transaction() as connection:
                now = self._clock(connection)
                flushed = pipeline.tick(connection, self._policy, now)
                due = groups.next_due(connection)
            self._wake(flushed.wake)
            self._report(None)
            self._alive()
            left = due - now if due else pipeline.LONGEST_SLEEP
            if left > timedelta(0) or self._stopping:
                self._forget(now)
                return min(left, pipeline.LONGEST_SLEEP)

    def _begin(self) -> None:
        """A new process may have a new configuration."""
        with transaction() as connection:
            flushed = pipeline.reroute(connection, self._policy, self._clock(connection))
        self._wake(flushed.wake)

    def _forget(self, now: datetime) -> None:
        if self._forgot_at is None or now - self._forgot_at > FORGETS_EVERY:
            self._forgot_at = now
            with transaction() as connection:
                pipeline.forget(connection, now)

    def _sleep(self, session: extensions.connection, pause: timedelta) -> None:
        select.select([session.fileno(), self._reader], [], [], max(0.0, pause.total_seconds()))
        session.poll()
        session.notifies.clear()


def _listen() -> extensions.connection:
    session: extensions.connection = psycopg2.connect(libpq_url(database_url()), **CONNECT_ARGS)
    session.autocommit = True
    with session.cursor() as cursor:
        cursor.execute(sql.SQL("LISTEN {}").format(sql.Identifier(pipeline.BELL)))
    return session
