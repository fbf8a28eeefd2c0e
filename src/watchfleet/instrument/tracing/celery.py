"""Spans of Celery tasks: OpenTelemetry's own instrumentation, with two of its gaps closed."""

from typing import Any

from celery import current_app, signals
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.propagate import extract, inject

from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.tracing.provider import tracing


class _Instrumentor(CeleryInstrumentor):
    """The instrumentation, in which two things are mended.

    A message for a task that this process does not know left its span open for ever, and every later span
    inside it. A message that a worker's parent sends again, because the child that ran it was killed, began
    a new trace.
    """

    def _trace_before_publish(self, *args: Any, **kwargs: Any) -> None:
        headers = kwargs.get("headers") or {}
        inherits = trace.get_current_span().get_span_context().is_valid
        origin = None if inherits else extract(headers)  # what is sent again carries its trace
        resent = origin is not None and trace.get_current_span(origin).get_span_context().is_valid
        if resent or kwargs.get("sender") not in current_app.tasks:
            self._publish_at_once(str(kwargs.get("sender")), headers, origin)
        else:
            super()._trace_before_publish(*args, **kwargs)  # type: ignore[no-untyped-call]  # it has no types

    def _publish_at_once(self, task: str, headers: dict[str, Any], origin: Context | None) -> None:
        attributes = {
            "celery.action": "apply_async",
            "celery.task_name": task,
            "messaging.message.id": str(headers.get("id", "")),
        }
        with self._tracer.start_as_current_span(
            f"apply_async/{task}", origin, trace.SpanKind.PRODUCER, attributes
        ):
            inject(headers)


def install() -> None:
    """Make a span for each task and each message; a second call changes nothing."""
    if not CeleryInstrumentor().is_instrumented_by_opentelemetry:
        instrumentor = _Instrumentor()  # type: ignore[no-untyped-call]  # likewise
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(tracer_provider=tracing.provider)
    for signal in (signals.worker_process_shutdown, signals.worker_shutdown):
        # Pool children leave by os._exit, so nothing that is registered with atexit runs in them.
        lifetime.connect(signal, tracing.end)
