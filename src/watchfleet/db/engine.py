"""One engine a process, and transactions on it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.exc import OperationalError

from watchfleet.errors import ConfigError, StoreUnavailableError
from watchfleet.settings import get_settings

STATEMENT_TIMEOUT_MS: Final = 120_000
CONNECT_ARGS: Final = {
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
            "DATABASE_URL is not set", mend="set it, or run `watchfleet up`, which brings its own"
        )
    return url.get_secret_value()


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


def _forget_after_fork() -> None:
    if get_engine.cache_info().currsize:
        get_engine().dispose(close=False)


# A child must never speak on its parent's connections.
os.register_at_fork(after_in_child=_forget_after_fork)
