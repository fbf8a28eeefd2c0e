"""Spans of SQL statements, by SQLAlchemy's own events.

OpenTelemetry's instrumentation (0.66b1) refuses SQLAlchemy 2.1 and newer. These spans have the attributes of
OpenTelemetry's semantic conventions for database clients; the statement is told without its parameters.
"""

from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from watchfleet.instrument.faults import guarded
from watchfleet.instrument.queries import operation
from watchfleet.instrument.tracing.provider import tracing

_SPANS: Final = "watchfleet_spans"
_LONGEST: Final = 2000
_SYSTEMS: Final = {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}


def install(engine: Engine | type[Engine] = Engine) -> None:
    """Make a span for each statement of one engine, by default of all; a second call changes nothing."""
    if any(event.contains(one, "before_cursor_execute", _before) for one in (Engine, engine)):
        return
    event.listen(engine, "before_cursor_execute", _before)
    event.listen(engine, "after_cursor_execute", _after)
    event.listen(engine, "handle_error", _failed)


@guarded("tracing.sqlalchemy.before")
def _before(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    url = connection.engine.url
    verb = operation(statement)
    attributes = _of_server(url) | {"db.operation.name": verb, "db.query.text": statement[:_LONGEST]}
    name = f"{verb} {url.database}" if url.database else verb
    tracer = trace.get_tracer("watchfleet.sqlalchemy", tracer_provider=tracing.provider)
    connection.info.setdefault(_SPANS, []).append(tracer.start_span(name, None, SpanKind.CLIENT, attributes))


def _of_server(url: URL) -> dict[str, Any]:
    system = _SYSTEMS.get(url.get_backend_name(), url.get_backend_name())
    found = {
        "db.system.name": system,
        "db.namespace": url.database,
        "server.address": url.host,
        "server.port": url.port,
    }
    return {key: value for key, value in found.items() if value is not None}


@guarded("tracing.sqlalchemy.after")
def _after(connection: Connection, *_: Any) -> None:
    span = _pop(connection)
    if span is not None:
        span.end()


@guarded("tracing.sqlalchemy.failed")
def _failed(context: ExceptionContext) -> None:
    if context.connection is None or context.statement is None:
        return
    span = _pop(context.connection)
    if span is not None:
        error = context.original_exception
        span.set_attribute("error.type", type(error).__name__)
        # What the driver says quotes the values of the row: it is not told.
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        span.end()


def _pop(connection: Connection) -> Span | None:
    spans: list[Span] = connection.info.get(_SPANS) or []
    return spans.pop() if spans else None
