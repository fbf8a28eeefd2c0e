"""OpenTelemetry's variables by what a real collector gets, and what a dead one costs."""

import os
import socket

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from support.otlp import Collector, http_collector
from support.servers import free_port

from watchfleet.instrument.client import Client
from watchfleet.instrument.tracing import exporters, provider
from watchfleet.instrument.tracing.destinations import Limits, destinations
from watchfleet.instrument.tracing.outbound import Outbound


def received(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Collector:
    """What a collector has got of two spans of a process with these variables."""
    monkeypatch.setattr(provider.trace, "set_tracer_provider", lambda _: None)
    with http_collector() as collector:
        for name, value in {"OTLP_ENDPOINT": collector.url, **variables}.items():
            monkeypatch.setenv(name, value)
        process = provider.Tracing()
        assert process.start("shop", os.environ, destinations(os.environ))
        assert process.provider is not None
        with process.provider.get_tracer("test").start_as_current_span("outer"):
            process.provider.get_tracer("test").start_span("inner").end()
        assert process.flush(20)
    return collector


def test_headers_reach_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    found = received(monkeypatch, OTEL_EXPORTER_OTLP_HEADERS="x-team=shop,authorization=Basic%20abc")
    assert {(one["x-team"], one["authorization"]) for one in found.headers} == {("shop", "Basic abc")}
    own = received(
        monkeypatch, OTEL_EXPORTER_OTLP_HEADERS="x-team=shop", OTEL_EXPORTER_OTLP_TRACES_HEADERS="x-team=mine"
    )
    assert {one["x-team"] for one in own.headers} == {"mine"}


@pytest.mark.parametrize(
    ("sampler", "share", "kept"),
    [
        ("always_on", "", 2),
        ("always_off", "", 0),
        ("traceidratio", "0", 0),
        ("parentbased_traceidratio", "1", 2),
        ("parentbased_traceidratio", "0", 0),
    ],
)
def test_the_sampler_decides_which_spans_are_sent(
    monkeypatch: pytest.MonkeyPatch, sampler: str, share: str, kept: int
) -> None:
    found = received(monkeypatch, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=share)
    assert len(found.spans) == kept


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_port_where_nobody_listens_costs_a_counter(
    monkeypatch: pytest.MonkeyPatch, client: Client, protocol: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    closed = {"OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    (found,) = destinations(closed)
    spans = TracerProvider(shutdown_on_exit=False)
    outbound = Outbound("dead", exporters.maker(found), Limits(delay=0.01), provider.lost)
    spans.add_span_processor(outbound)
    for _ in range(100):
        spans.get_tracer("test").start_span("a").end()
    assert outbound.force_flush(30_000)
    client.buffer.settle({})
    lost = [sample for sample in client.buffer.cut(100).samples if sample.name == provider.LOST]
    assert sum(sample.value for sample in lost) == 100
    assert {sample.labels["reason"] for sample in lost} == {"not_sent"}


@pytest.mark.timeout(8)  # by itself an exporter waits for ten seconds
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_that_hangs_is_left_after_the_timeout_of_a_batch(
    monkeypatch: pytest.MonkeyPatch, client: Client, protocol: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hanging = {"OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        (found,) = destinations({**hanging, "OTEL_BSP_EXPORT_TIMEOUT": "300"})
        exporter = exporters.maker(found)()
        span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("a")
        span.end()
        assert exporter.export([span]) is SpanExportResult.FAILURE
