"""Spans of outgoing requests: OpenTelemetry's own instrumentation."""

from opentelemetry.instrumentation.requests import RequestsInstrumentor

from watchfleet.instrument.tracing.provider import tracing


def install() -> None:
    """Make a span for each request; a second call changes nothing."""
    instrumentor = RequestsInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(tracer_provider=tracing.provider)
