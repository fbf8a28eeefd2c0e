"""Checks of what the fleet stands on: the database, its schema, the broker, the cache, the clock."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Final

import psycopg2
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from watchfleet.db import engine, schema
from watchfleet.embedded import dependencies
from watchfleet.embedded.checks.finding import Finding, Setup, fail, ok, warn
from watchfleet.errors import FleetError

_EMBEDDED: Final = "embedded; it starts with `watchfleet up`"
_SKEW_SECONDS: Final = 2.0


def database(setup: Setup) -> Finding:
    """Whether PostgreSQL answers and is new enough."""
    url = setup.urls.get("DATABASE_URL")
    if url is None:
        return ok("database", _EMBEDDED)
    return _answers("database", dependencies.check_database, url, "start it, or mend DATABASE_URL")


def broker(setup: Setup) -> Finding:
    """Whether the broker answers, is new enough and keeps what it is given."""
    url = setup.urls.get("BROKER_URL")
    if url is None:
        return ok("broker", _EMBEDDED)
    return _answers("broker", dependencies.check_broker, url, "start it, or mend BROKER_URL")


def cache(setup: Setup) -> Finding:
    """Whether the Redis of the shared cache answers."""
    url = setup.urls.get("REDIS_URL")
    if url is None:
        return ok("cache", "the broker serves")
    return _answers("cache", dependencies.check_redis, url, "start it, or mend REDIS_URL")


def migrations(setup: Setup) -> Finding:
    """Whether the schema is this release's."""
    url = setup.urls.get("DATABASE_URL")
    if url is None or setup.root is None:
        return ok("schema", "made by `watchfleet up`")
    newest = schema.head(setup.root)
    try:
        with closing(engine.create(url).connect()) as connection:
            found = schema.current(connection)
    except SQLAlchemyError as error:
        raise FleetError("it cannot be read: the database does not answer") from error
    if found == newest:
        return ok("schema", f"revision {found}, the newest")
    return warn(
        "schema", f"revision {found or 'none'}; the newest is {newest}", "run `watchfleet db upgrade`"
    )


def clock(setup: Setup) -> Finding:
    """Whether this machine and the database agree on the time; alerts and rollups need that."""
    url = setup.urls.get("DATABASE_URL")
    if url is None:
        return ok("clock", f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC")
    skew = _skew(url)
    if abs(skew) > _SKEW_SECONDS:
        return fail("clock", f"{skew:+.1f} s against the database's", "run an NTP client on both machines")
    return ok("clock", f"{skew:+.2f} s against the database's")


def _answers(check: str, examine: Callable[[str], str], url: str, mend: str) -> Finding:
    try:
        return ok(check, examine(url))
    except FleetError as error:
        return fail(check, str(error), mend)


def _skew(url: str) -> float:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with closing(psycopg2.connect(plain, connect_timeout=5)) as connection, connection.cursor() as cursor:
            before = time.time()
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
            row = cursor.fetchone()
            after = time.time()
    except psycopg2.Error as error:
        raise FleetError("it cannot be compared: the database does not answer") from error
    return (before + after) / 2 - float(row[0] if row else 0)
