"""What runs under one correlation id: the context variable, the span's attribute, OpenTelemetry's baggage."""

import sys
import time
from importlib import import_module
from typing import Any, Final

from watchfleet import correlation
from watchfleet.instrument.repeats import Repeats

ATTRIBUTE: Final = "correlation_id"
"""The name of the id among the attributes of a span, and in the baggage."""


class Scope:
    """Makes an id the current one, until it is closed.

    Args:
        correlation_id: The id.
    """

    __slots__ = ("_baggage", "_begun", "_context", "_repeats", "_token", "correlation_id")

    def __init__(self, correlation_id: str) -> None:
        self.correlation_id = correlation_id
        self._begun = time.perf_counter()
        self._token = correlation.bind(correlation_id)
        self._repeats = Repeats()
        self._context: Any = None
        self._baggage: Any = None
        if mark_span(correlation_id):
            self._context = _baggage().set_baggage(ATTRIBUTE, correlation_id)
            self._baggage = _contexts().attach(self._context)

    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self._begun

    def close(self, name: str) -> None:
        """Make the id of before the current one again.

        Args:
            name: Of the task or the route that ends.
        """
        self._repeats.close(name)
        correlation.release(self._token)
        # Whoever opened the span may have left it, and with it our baggage, already.
        if self._context is not None and _contexts().get_current() is self._context:
            _contexts().detach(self._baggage)


def mark_span(correlation_id: str) -> bool:
    """Write the id on the current span; returns whether there is one."""
    trace = sys.modules.get("opentelemetry.trace")
    find = getattr(trace, "get_current_span", None)  # absent while another thread imports it
    span = find() if find is not None else None
    if span is None or not span.get_span_context().is_valid:
        return False
    span.set_attribute(ATTRIBUTE, correlation_id)
    return True


def _baggage() -> Any:
    return sys.modules.get("opentelemetry.baggage") or import_module("opentelemetry.baggage")


def _contexts() -> Any:
    return sys.modules["opentelemetry.context"]
