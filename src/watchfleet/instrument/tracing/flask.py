"""Spans of requests: OpenTelemetry's own instrumentation, in front of the application's other hooks."""

from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor

from watchfleet.instrument.tracing.provider import tracing


def install(app: Flask) -> None:
    """Make a span for each request of an application; a second call changes nothing."""
    if getattr(app, "_is_instrumented_by_opentelemetry", False):
        return
    FlaskInstrumentor().instrument_app(app, tracer_provider=tracing.provider, enable_commenter=False)
    # What the application does before a request belongs to the span, too.
    hooks = app.before_request_funcs[None]
    hooks.insert(0, hooks.pop())
