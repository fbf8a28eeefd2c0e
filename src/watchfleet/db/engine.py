"""One engine a process, and transactions on it."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeVar

import psycopg2
from sqlalchemy import Connection, Engine, create_engine, func, make_url, select
from sqlalchemy.exc import DBAPIError, OperationalError

from watchfleet.errors import ConfigError, StoreUnavailableError
from watchfleet.settings import get_settings

STATEMENT_TIMEOUT_MS: Final = 120_000
# Connection, rollback (deadlock), resources, lock timeout, shutdown; never 57014, a statement's own timeout.
_PASSING: Final = ("08", "40", "53", "55P03", "57P")
T = TypeVar("T")
CONNECT_ARGS: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    # A peer that vanished without a word is noticed after 11 s instead of two hours.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "watchfleet",
    "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC",
}


def database_url() -> str:
    """The address of the store, with its password.

    Raises:
        ConfigError: `DATABASE_URL` is not set.
    """
    url = get_settings().database_url
    if url is None:
        raise ConfigError(
            "DATABASE_URL is not set",
            mend="set it, or run this where a fleet of `watchfleet up` runs (WATCHFLEET_DATA_DIR names it)",
        )
    return url.get_secret_value()


def libpq_url(url: str) -> str:
    """The same address for psycopg2, which knows no `postgresql+psycopg2`."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def create(url: str) -> Engine:
    """An engine for `url`, with timeouts, keepalives and few connections."""
    parsed = make_url(url).set(drivername="postgresql+psycopg2")
    return create_engine(
        parsed, pool_size=2, max_overflow=8, pool_timeout=10, pool_pre_ping=True, connect_args=CONNECT_ARGS
    )


@lru_cache(maxsize=1)
def get_engine() -> Engine:
    """The engine of this process."""
    return create(database_url())


@contextmanager
def transaction() -> Iterator[Connection]:
    """A connection in a transaction that commits at the end and rolls back on an exception.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    try:
        connection = get_engine().connect()
    except OperationalError as error:
        raise StoreUnavailableError(f"PostgreSQL does not answer: {error.orig}") from error
    with connection, connection.begin():
        yield connection


def server_clock(connection: Connection) -> datetime:
    """The store's present, on which everyone who shares it agrees, whatever their own clocks say."""
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now


def in_transaction(work: Callable[[Connection], T], patience: float) -> T:
    """What `work` returns when run in a transaction; while PostgreSQL is away, it is run again every second.

    Args:
        work: Must come to the same however often it is begun and rolled back.
        patience: Seconds after which it is not begun again.

    Raises:
        StoreUnavailableError: PostgreSQL was away for all that time.
    """
    end = time.monotonic() + patience
    while True:
        try:
            with transaction() as connection:
                return work(connection)
        except (StoreUnavailableError, DBAPIError, psycopg2.Error) as error:
            if not is_outage(error):
                raise
            if time.monotonic() > end:
                raise StoreUnavailableError(f"PostgreSQL is away for {patience:g} s: {error}") from error
        time.sleep(1)


def is_outage(error: BaseException) -> bool:
    """Whether the same work may well succeed later: the server is away, full, or rolled back a deadlock."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg2.InterfaceError | StoreUnavailableError):
        return True
    code = getattr(cause, "pgcode", None)
    passing = code is None or code.startswith(_PASSING)
    return isinstance(cause, psycopg2.OperationalError) and passing


def _forget_after_fork() -> None:
    if get_engine.cache_info().currsize:
        get_engine().dispose(close=False)


# A child must never speak on its parent's connections.
os.register_at_fork(after_in_child=_forget_after_fork)
