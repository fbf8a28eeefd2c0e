"""The correlation id: one name for all that one request or one tick sets off, in every process it reaches.

It is the id that a caller sent, if it has the right form, else the trace id of OpenTelemetry where there is a
span, else a random one. It lives in a context variable, so that threads, greenlets and coroutines each have
their own.
"""

import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Final, NamedTuple

HEADER: Final = "x_correlation_id"
"""The header of a Celery message that carries the id. `correlation_id` is AMQP's own, and the task's id."""
FOREIGN_HEADER: Final = "CORRELATION_ID"
"""The header under which asgi-correlation-id sends one; read, never written."""
HTTP_HEADERS: Final = ("X-Request-ID", "X-Correlation-ID")
"""The headers of a request that may carry one; the first wins."""

_LONGEST_IN_EXEMPLAR: Final = 64
_FORM: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_current: ContextVar[str | None] = ContextVar("watchfleet_correlation_id", default=None)


class Span(NamedTuple):
    """The span of OpenTelemetry in which we are, as W3C writes its ids: 32 and 16 hexadecimal digits."""

    trace_id: str
    span_id: str


def current() -> str | None:
    """The correlation id of what runs here; None when nobody gave it one."""
    return _current.get()


def accepted(given: object) -> str | None:
    """An id that came from outside, if it is one: `[A-Za-z0-9._-]{1,128}`. It is never mended."""
    return given if isinstance(given, str) and _FORM.fullmatch(given) else None


def new() -> str:
    """An id for what begins here: its trace id, else 32 random hexadecimal digits."""
    span = current_span()
    return span.trace_id if span else secrets.token_hex(16)


def exemplar() -> dict[str, str] | None:
    """The labels of an exemplar for a value that is observed here: the trace id, and the correlation id.

    For prometheus_client: `histogram.observe(seconds, correlation.exemplar())`.

    Returns:
        `trace_id` where there is a span, `correlation_id` where there is one that is short enough to stand
        beside it: OpenMetrics allows 128 characters in all. None when there is neither.
    """
    found, span = current(), current_span()
    labels = {"trace_id": span.trace_id} if span else {}
    if found is not None and len(found) <= _LONGEST_IN_EXEMPLAR:
        labels["correlation_id"] = found
    return labels or None


def bind(correlation_id: str) -> "Token[str | None]":
    """Make an id the current one, until `release` gets the token."""
    return _current.set(correlation_id)


def release(token: "Token[str | None]") -> None:
    """Make the id of before `bind` the current one again."""
    try:
        _current.reset(token)
    except ValueError:  # a server may end in another context what it began in this one
        _current.set(None)


@contextmanager
def bound(correlation_id: str | None = None) -> Iterator[str]:
    """Run a block under an id, by default a new one."""
    chosen = correlation_id or new()
    token = bind(chosen)
    try:
        yield chosen
    finally:
        release(token)


def current_span() -> Span | None:
    """The span in which we are; None when there is none, or no OpenTelemetry."""
    trace = sys.modules.get("opentelemetry.trace")
    find = getattr(trace, "get_current_span", None)  # absent while another thread imports it
    if find is None:
        return None
    context = find().get_span_context()
    return Span(f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None
