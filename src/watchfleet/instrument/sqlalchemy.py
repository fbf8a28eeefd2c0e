"""Query metrics by SQLAlchemy's own events: how long statements took, and which failed."""

import time
from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from watchfleet.instrument import activity
from watchfleet.instrument.faults import guarded
from watchfleet.instrument.lifetime import lifetime
from watchfleet.model import Kind

SLOW: Final = 0.5
"""Seconds from which on a statement is shown by `watchfleet trace`."""
_STARTED: Final = "watchfleet_started"
_OPERATIONS: Final = {"SELECT", "INSERT", "UPDATE", "DELETE", "COPY", "CREATE", "ALTER", "DROP", "WITH"}


def install(engine: Engine | type[Engine] = Engine) -> None:
    """Listen to one engine, by default to all; what is listened to already is left alone."""
    if any(event.contains(one, "before_cursor_execute", _before) for one in (Engine, engine)):
        return
    event.listen(engine, "before_cursor_execute", _before)
    event.listen(engine, "after_cursor_execute", _after)
    event.listen(engine, "handle_error", _failed)


@guarded("sqlalchemy.before")
def _before(connection: Connection, *_: Any) -> None:
    connection.info.setdefault(_STARTED, []).append(time.perf_counter())


@guarded("sqlalchemy.after")
def _after(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    client = lifetime.client
    elapsed = time.perf_counter() - connection.info[_STARTED].pop()
    if client is not None:
        series = client.series("db_query_duration_seconds", Kind.DURATION, operation=operation(statement))
        client.observe(series, elapsed)
        if elapsed >= SLOW:
            activity.record("query", operation(statement), elapsed, statement=statement)


@guarded("sqlalchemy.failed")
def _failed(context: ExceptionContext) -> None:
    client = lifetime.client
    if context.connection is None or context.statement is None:
        return
    if started := context.connection.info.get(_STARTED):
        started.pop()
    if client is not None:
        client.count(
            client.series(
                "db_query_errors_total",
                Kind.EVENT,
                operation=operation(context.statement),
                exception=type(context.original_exception).__name__,
            )
        )


def operation(statement: str) -> str:
    """The statement's first word in upper case, such as `SELECT`; `other` when it is none that we know."""
    words = statement.split(None, 1)
    word = words[0].upper() if words else ""
    return word if word in _OPERATIONS else "other"
