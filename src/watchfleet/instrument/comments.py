"""Who asks, as a comment behind each statement, so that the server's logs and views tell of it, too.

The form is sqlcommenter's: `/*correlation_id='...',task='shop.pay',task_id='...',traceparent='...'*/`.
"""

from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, Engine, event

from watchfleet import correlation
from watchfleet.instrument.faults import faults
from watchfleet.instrument.queries import running_task

VARIABLE: Final = "WATCHFLEET_SQL_COMMENTS"
"""Set to 1, it turns comments on. Each makes a text of its own, which caches of prepared statements miss."""
_PERCENT: Final = {"format", "pyformat"}


def install(engine: Engine | type[Engine]) -> None:
    """Comment the statements of one engine, or of all; what is commented already is left alone."""
    if not any(event.contains(one, "before_cursor_execute", _commented) for one in (Engine, engine)):
        event.listen(engine, "before_cursor_execute", _commented, retval=True)


def _commented(
    connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any
) -> tuple[str, Any]:
    try:
        # What has a comment already may mean something by it, such as a hint.
        found = "" if "/*" in statement else comment()
        if connection.dialect.paramstyle in _PERCENT:
            found = found.replace("%", "%%")
    except Exception as error:  # noqa: BLE001 - the host must not suffer from any fault of ours
        faults.note("sqlalchemy.comment", type(error).__name__, error)
        return statement, parameters
    return (f"{statement.rstrip().rstrip(';')} {found}" if found else statement), parameters


def comment() -> str:
    """The comment for whatever runs here; empty if nothing is known of it."""
    known = {"correlation_id": correlation.current(), **running_task()}
    if span := correlation.current_span():
        known["traceparent"] = f"00-{span.trace_id}-{span.span_id}-01"
    pairs = [f"{key}='{quote(str(value), safe='')}'" for key, value in sorted(known.items()) if value]
    return f"/*{','.join(pairs)}*/" if pairs else ""
