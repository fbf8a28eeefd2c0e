"""The ids on log records: of the standard library, whoever handles them, and of structlog."""

import logging
from collections.abc import Callable, MutableMapping
from typing import Any

from watchfleet import correlation
from watchfleet.instrument.wrapping import wrap_once


class CorrelationFilter(logging.Filter):
    """Puts `correlation_id`, `trace_id` and `span_id` on every record that a handler or logger gets.

    Each is a text, empty when there is none, so that a format may name it: `%(correlation_id)s`. An id that
    was set on the record stays. `watchfleet.instrument` does the same for every record of the process;
    this is for an application that sets up its logging alone.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Complete the record; never drops it."""
        _complete(record.__dict__, "")
        return True


def structlog_processor(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Put the ids that there are into an event of structlog; one of the list of its `processors`."""
    return _complete(event, None)


def install() -> None:
    """Have every record of the standard library carry the ids; a second call changes nothing.

    A factory of records would be the documented way, but a record that has an attribute already refuses it as
    `extra`: a host that passes its own `trace_id` would fail.
    """
    wrap_once(logging.Logger, "handle", _completing)


def _completing(handle: Callable[..., Any]) -> Callable[..., Any]:
    def handle_with_ids(logger: logging.Logger, record: logging.LogRecord) -> None:
        _complete(record.__dict__, "")
        handle(logger, record)

    return handle_with_ids


def _complete(fields: MutableMapping[str, Any], missing: str | None) -> MutableMapping[str, Any]:
    span = correlation.current_span()
    found = {
        "correlation_id": correlation.current(),
        "trace_id": span.trace_id if span else None,
        "span_id": span.span_id if span else None,
    }
    for name, value in found.items():
        if value is not None or missing is not None:
            fields.setdefault(name, value if value is not None else missing)
    return fields
