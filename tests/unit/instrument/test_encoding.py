"""What is written by our own encoder means, field by field, what OpenTelemetry's encoder writes."""

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from watchfleet.instrument.tracing.encoding import encoded

VALUES = {
    "text": "ä\x00\n",
    "long": "x" * 100_000,
    "empty": "",
    "yes": True,
    "no": False,
    "one": 1,
    "zero": 0,
    "negative": -1,
    "most": 2**63 - 1,
    "least": -(2**63),
    "float": 1.0,
    "nan?": 0.1,
    "list": ["a", "b"],
    "numbers": [1, 2],
    "bytes": b"\x00\xff",
}


class Spans:
    """Spans of two resources and several scopes."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.providers = [
            TracerProvider(
                resource=Resource.create({"service.name": name, "n": 1}, schema_url=f"http://{name}"),
                span_limits=SpanLimits(max_span_attributes=20),
                shutdown_on_exit=False,
            )
            for name in ("a", "b")
        ]
        for provider in self.providers:
            provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def all(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()


def spans_of(request: ExportTraceServiceRequest) -> dict[bytes, tuple[str, str, str, str, Span]]:
    """Each span with what it belongs to."""
    return {
        span.span_id: (str(one.resource), one.schema_url, str(scope.scope), scope.schema_url, span)
        for one in request.resource_spans
        for scope in one.scope_spans
        for span in scope.spans
    }


def assert_same(spans: tuple[ReadableSpan, ...]) -> None:
    ours = ExportTraceServiceRequest()
    ours.ParseFromString(encoded(spans))
    found = spans_of(ours)
    assert found == spans_of(encode_spans(spans))
    assert len(found) == len(spans)


def test_every_kind_of_value_and_span_is_the_same() -> None:
    spans = Spans()
    for provider in spans.providers:
        for number, kind in enumerate(SpanKind):
            tracer = provider.get_tracer(f"scope-{number % 2}", "1", schema_url="http://scope")
            tracer.start_span(f"plain {kind}", kind=kind, start_time=number).end(end_time=2**63 + number)
            for name, value in VALUES.items():
                tracer.start_span(name, attributes={name: value}, kind=kind).end()
            tracer.start_span("", attributes=VALUES).end()
    assert_same(spans.all())


def test_parents_links_events_states_and_losses_are_the_same() -> None:
    spans = Spans()
    tracer = spans.providers[0].get_tracer("scope")
    for remote in (True, False):
        for state in (TraceState(), TraceState([("vendor", "x")])):
            far = SpanContext(2**127 + 1, 2**63 + 1, remote, TraceFlags(TraceFlags.SAMPLED), state)
            child = set_span_in_context(NonRecordingSpan(far))
            tracer.start_span("child", child, attributes={"a": 1}).end()
            tracer.start_span("linked", child, links=[Link(far, {"b": "c"})]).end()
    span = tracer.start_span("failed")
    span.record_exception(ValueError("x"))
    span.set_status(StatusCode.ERROR, "it failed")
    span.end()
    tracer.start_span("too many", attributes={str(number): number for number in range(30)}).end()
    assert_same(spans.all())


def test_nothing_is_an_empty_message() -> None:
    assert encoded([]) == b""
