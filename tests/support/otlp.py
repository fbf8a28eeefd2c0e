"""Real OTLP receivers on free ports of this machine: what a collector would have got."""

import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class Span:
    """A span as it arrived.

    Attributes:
        kind: `SPAN_KIND_` removed, such as `CONSUMER`.
    """

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    text: str


class Collector:
    """What was received."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Span] = []
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def take(self, request: Any) -> None:
        for resource_spans in request.resource_spans:
            resource = _values(resource_spans.resource.attributes)
            for scope in resource_spans.scope_spans:
                self.spans += [_span(span, resource) for span in scope.spans]


def _span(span: Any, resource: dict[str, Any]) -> Span:
    kind = span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
    return Span(span.name, kind, *ids, _values(span.attributes), resource, str(span))


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def http_collector() -> Iterator[Collector]:
    """A receiver of OTLP over HTTP with protobuf bodies; answers the next of `statuses`, then 200."""
    collector = Collector()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"collector": collector}))
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    collector: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        status = self.collector.statuses.pop(0) if self.collector.statuses else 200
        if status == 200 and self.path == "/v1/traces":
            self.collector.headers.append({key.lower(): value for key, value in self.headers.items()})
            self.collector.take(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
        self.send_response(status if self.path == "/v1/traces" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def grpc_collector() -> Iterator[Collector]:
    """A receiver of OTLP over gRPC."""
    collector = Collector()

    class Service(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name for it
            collector.headers.append(dict(context.invocation_metadata()))
            collector.take(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Service(), server)
    collector.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(0).wait(5)
