"""Every query by SQLAlchemy's own events: failed and cancelled ones too, and streamed ones to their end."""

import os
import time
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from watchfleet.instrument import comments, queries
from watchfleet.instrument.faults import guarded
from watchfleet.instrument.streamed import StreamedCursor


def install(engine: Engine | type[Engine] = Engine) -> None:
    """Listen to one engine, by default to all; what is listened to already is left alone."""
    if os.environ.get(comments.VARIABLE) == "1":
        comments.install(engine)
    if any(event.contains(one, "before_cursor_execute", _before) for one in (Engine, engine)):
        return
    event.listen(engine, "before_cursor_execute", _before)
    event.listen(engine, "after_cursor_execute", _after)
    event.listen(engine, "handle_error", _failed)


@guarded("sqlalchemy.before")
def _before(_connection: Connection, _cursor: Any, _text: str, _given: Any, context: Any, *_: Any) -> None:
    context.watchfleet_started = time.perf_counter()


@guarded("sqlalchemy.after")
def _after(_connection: Connection, cursor: Any, _text: str, given: Any, context: Any, *_: Any) -> None:
    elapsed = time.perf_counter() - context.watchfleet_started
    known = queries.kinds()
    if known is None:
        return
    kind = known.of(context.statement)  # as it was before anybody put a comment into it
    if context.execution_options.get("stream_results"):
        # A cancelled query never comes here, and a streamed one has hardly begun.
        context.cursor = StreamedCursor(
            cursor, elapsed, lambda seconds, rows, error: kind.ended(seconds, rows, error, given)
        )
    else:
        kind.ended(elapsed, cursor.rowcount, None, given)


@guarded("sqlalchemy.failed")
def _failed(context: ExceptionContext) -> None:
    known, execution = queries.kinds(), context.execution_context
    started = getattr(execution, "watchfleet_started", None)
    if known is None or context.statement is None or execution is None or started is None:
        return
    kind = known.of(str(execution.statement))
    kind.ended(time.perf_counter() - started, -1, context.original_exception, context.parameters)
