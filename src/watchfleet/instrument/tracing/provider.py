"""The spans of this process: one provider, its queues, and what becomes of them at forks and at the end."""

import atexit
import os
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider

from watchfleet import __version__, correlation
from watchfleet.instrument.correlation.scope import ATTRIBUTE
from watchfleet.instrument.faults import faults, guarded
from watchfleet.instrument.lifetime import LONGEST_HOLD, lifetime
from watchfleet.instrument.tracing.destinations import Destination, limits
from watchfleet.instrument.tracing.exporters import maker
from watchfleet.instrument.tracing.outbound import SHUTDOWN_WAIT, Outbound
from watchfleet.model import Kind

LOST: Final = "watchfleet_client_spans_lost_total"


class Tracing:
    """What sends this process's spans, once something does."""

    def __init__(self) -> None:
        self.outbounds: list[Outbound] = []
        self.provider: TracerProvider | None = None
        self._held: list[threading.Lock] = []

    def start(self, service: str, environment: Mapping[str, str], found: list[Destination]) -> bool:
        """Have spans sent; the first call decides where to.

        Returns:
            Whether there are spans: false when they should go nowhere and the application has no provider of
            its own.
        """
        if self.provider is not None:
            return True
        own = trace.get_tracer_provider()
        if isinstance(own, TracerProvider):  # the application set up OpenTelemetry itself: it sends them, too
            own.add_span_processor(_Marking())
            self.provider = own
            return True
        if found:
            self._open(service, environment, found)
        return bool(found)

    def _open(self, service: str, environment: Mapping[str, str], found: list[Destination]) -> None:
        known = limits(environment)
        self.outbounds = [Outbound(one.exporter, maker(one), known, lost) for one in found]
        provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
        for processor in (_Marking(), *self.outbounds):
            provider.add_span_processor(processor)
        trace.set_tracer_provider(provider)
        self.provider = provider

    def flush(self, timeout: float = SHUTDOWN_WAIT) -> bool:
        """Wait until every span so far was sent; false when `timeout` seconds were not enough."""
        end = time.monotonic() + timeout
        asked = [flushed for outbound in self.outbounds if (flushed := outbound.ask())]
        return all(flushed.wait(max(end - time.monotonic(), 0)) for flushed in asked)

    @guarded("tracing.end")
    def end(self, **_: Any) -> None:
        """Send what is left, waiting `SHUTDOWN_WAIT` at most."""
        if self.outbounds:
            self.flush()
        elif self.provider is not None:
            _flush_theirs(self.provider)

    def before_fork(self) -> None:
        """Wait for a first export that is under way: a child would inherit half of what it imports."""
        self._held = [one.first for one in self.outbounds if one.first.acquire(timeout=LONGEST_HOLD)]

    def after_fork_in_parent(self) -> None:
        """Go on."""
        for lock in self._held:
            lock.release()

    def after_fork_in_child(self) -> None:
        """Leave to the parent what is the parent's: its spans, its threads, its connections."""
        for outbound in self.outbounds:
            outbound.begin()


class _Marking(SpanProcessor):
    """Writes the correlation id on each span that begins under one."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - theirs
        """Mark a span that begins."""
        found = correlation.current()
        if found is not None:
            span.set_attribute(ATTRIBUTE, found)


def lost(reason: str, spans: int) -> None:
    """Count spans that reach nobody."""
    client = lifetime.client
    if client is not None:
        client.count(client.series(LOST, Kind.EVENT, reason=reason), spans)
    else:
        faults.count(f"tracing.{reason}")


def _flush_theirs(provider: TracerProvider) -> None:
    """Flush a provider that is not ours, without waiting for its exporter as long as it likes."""
    flushing = threading.Thread(target=provider.force_flush, name="watchfleet-flush", daemon=True)
    flushing.start()
    flushing.join(SHUTDOWN_WAIT)


def _resource(service: str) -> Resource:
    own = {"telemetry.distro.name": "watchfleet", "telemetry.distro.version": __version__}
    return Resource.create({SERVICE_NAME: service, **own})


tracing = Tracing()
"""This process's spans."""

os.register_at_fork(
    before=tracing.before_fork,
    after_in_parent=tracing.after_fork_in_parent,
    after_in_child=tracing.after_fork_in_child,
)
atexit.register(tracing.end)
