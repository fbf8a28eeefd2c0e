"""Spans on their way: bounded, without secrets, in the child as in the parent, whatever a collector does."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from threading import Event

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer
from support.otlp import http_collector
from support.servers import ROOT, wait_until

from watchfleet.instrument.tracing.destinations import Limits
from watchfleet.instrument.tracing.outbound import Outbound
from watchfleet.redact import register


class Exporter(SpanExporter):
    """Keeps what it gets; waits, fails or raises when it is told to."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.open = Event()
        self.open.set()
        self.result: SpanExportResult | Exception = SpanExportResult.SUCCESS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        assert self.open.wait(20)
        if isinstance(self.result, Exception):
            raise self.result
        if self.result is SpanExportResult.SUCCESS:
            self.spans += spans
        return self.result


class Pipe:
    def __init__(self, limits: Limits) -> None:
        self.exporter, self.losses = Exporter(), dict[str, int]()
        self.outbound = Outbound("here", lambda: self.exporter, limits, self._lose)
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.outbound)

    def _lose(self, reason: str, spans: int) -> None:
        self.losses[reason] = self.losses.get(reason, 0) + spans

    @property
    def tracer(self) -> Tracer:
        return self.provider.get_tracer("test")

    def names(self) -> list[str]:
        return [span.name for span in self.exporter.spans]


def test_spans_arrive_in_their_order_and_a_flush_waits_for_them() -> None:
    pipe = Pipe(Limits(delay=60, capacity=1000, batch=7))
    for number in range(100):
        pipe.tracer.start_span(str(number)).end()
    assert pipe.outbound.force_flush(10_000)
    assert pipe.names() == [str(number) for number in range(100)]
    assert pipe.losses == {}


def test_a_span_is_sent_by_itself_after_the_delay() -> None:
    pipe = Pipe(Limits(delay=0.01))
    pipe.tracer.start_span("a").end()
    wait_until(lambda: pipe.names() == ["a"])


def test_a_collector_that_hangs_costs_the_oldest_spans_and_no_time() -> None:
    pipe = Pipe(Limits(delay=0.01, capacity=10, batch=5))
    pipe.exporter.open.clear()
    pipe.tracer.start_span("first").end()
    wait_until(lambda: not pipe.outbound._spans)  # it is being sent
    for number in range(30):
        pipe.tracer.start_span(str(number)).end()
    begun = time.monotonic()
    assert not pipe.outbound.force_flush(100)
    assert time.monotonic() - begun < 5
    assert pipe.losses == {"queue_full": 20}
    pipe.exporter.open.set()
    assert pipe.outbound.force_flush(10_000)
    assert pipe.names() == ["first", *(str(number) for number in range(20, 30))]


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, RuntimeError("token=abcdefgh")])
def test_a_collector_that_refuses_is_told_of_once_and_its_spans_are_counted(
    caplog: pytest.LogCaptureFixture, result: SpanExportResult | Exception
) -> None:
    caplog.set_level(logging.INFO, "watchfleet.instrument")
    pipe = Pipe(Limits(delay=0.01))
    pipe.exporter.result = result
    for _ in range(3):
        pipe.tracer.start_span("a").end()
        assert pipe.outbound.force_flush(10_000)
    assert pipe.losses == {"not_sent": 3}
    assert caplog.text.count("spans do not reach here") == 1
    assert "abcdefgh" not in caplog.text
    pipe.exporter.result = SpanExportResult.SUCCESS
    pipe.tracer.start_span("b").end()
    assert pipe.outbound.force_flush(10_000)
    assert "spans reach here again" in caplog.text


def test_no_secret_is_sent() -> None:
    register("very-secret-value")
    pipe = Pipe(Limits())
    with (
        pytest.raises(ValueError, match="very-secret-value"),
        pipe.tracer.start_as_current_span(
            "a", attributes={"url.full": "https://u:pass@h/?token=abc", "n": 1}
        ),
    ):
        raise ValueError("very-secret-value")
    pipe.tracer.start_span("clean", attributes={"n": 1}).end()
    assert pipe.outbound.force_flush(10_000)
    span, clean = pipe.exporter.spans
    assert span.attributes == {"url.full": "https://u:***@h/?token=***", "n": 1}
    assert "very-secret-value" not in span.to_json()
    assert "ValueError" in span.to_json()
    assert clean.attributes == {"n": 1}


def test_a_forked_child_sends_its_own_spans_and_none_of_its_parents() -> None:
    code = """
import os, time
from opentelemetry import trace
from watchfleet.instrument import tracing
assert tracing.start("forks")
tracer = trace.get_tracer("t")
tracer.start_span("parent-before").end()
time.sleep(0.3)
tracer.start_span("parent-waiting").end()
for number in range(5):
    if os.fork() == 0:
        tracer.start_span(f"child-{number}").end()
        from watchfleet.instrument.tracing.provider import tracing as process
        os._exit(0 if process.flush(10) else 1)
assert [os.wait()[1] for _ in range(5)] == [0] * 5
tracer.start_span("parent-after").end()
"""
    with http_collector() as collector:
        environment = os.environ | {"OTLP_ENDPOINT": collector.url, "PYTHONPATH": str(ROOT / "src")}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    names = sorted(span.name for span in collector.spans)
    assert names == [*(f"child-{n}" for n in range(5)), "parent-after", "parent-before", "parent-waiting"]
    instances = {span.resource["service.instance.id"] for span in collector.spans}
    assert len(instances) == 6
