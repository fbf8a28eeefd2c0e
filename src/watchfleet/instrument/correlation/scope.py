"""What runs under one correlation id: the context variable, the span's attribute, OpenTelemetry's baggage."""

import time
from importlib import import_module
from typing import Any, Final

from watchfleet import correlation

ATTRIBUTE: Final = "correlation_id"
"""The name of the id among the attributes of a span, and in the baggage."""


class Scope:
    """Makes an id the current one, until it is closed.

    Args:
        correlation_id: The id.
    """

    def __init__(self, correlation_id: str) -> None:
        self.correlation_id = correlation_id
        self._token = correlation.bind(correlation_id)
        self._begun = time.perf_counter()
        self._context: Any = None
        self._baggage: Any = None
        if correlation.current_span() is not None:
            mark_span(correlation_id)
            self._carry()

    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self._begun

    def close(self) -> None:
        """Make the id of before the current one again."""
        correlation.release(self._token)
        if self._context is None:
            return
        context = import_module("opentelemetry.context")
        # Whoever opened the span may have left it, and with it our baggage, already.
        if context.get_current() is self._context:
            context.detach(self._baggage)

    def _carry(self) -> None:
        context = import_module("opentelemetry.context")
        baggage = import_module("opentelemetry.baggage")
        self._context = baggage.set_baggage(ATTRIBUTE, self.correlation_id)
        self._baggage = context.attach(self._context)


def mark_span(correlation_id: str) -> None:
    """Write the id on the current span, if there is one."""
    if correlation.current_span() is not None:
        import_module("opentelemetry.trace").get_current_span().set_attribute(ATTRIBUTE, correlation_id)
