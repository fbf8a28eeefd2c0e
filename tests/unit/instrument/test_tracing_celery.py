"""A task's span is that of OpenTelemetry's own instrumentation, without its two gaps."""

import json
import subprocess
import sys
from typing import Any

from support.servers import ROOT

SCRIPT = """
import json, sys
from celery import Celery
from celery.app.trace import build_tracer
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
app = Celery("shop", broker="memory://", set_as_current=True)
app.conf.task_ignore_result = True

@app.task(name="pay", bind=True, max_retries=1)
def pay(self, how):
    trace.get_tracer("x").start_span("inside").end()
    if how == "retry":
        raise self.retry(exc=ValueError("again"), countdown=1)
    if how == "fail":
        raise ValueError("no")

if sys.argv[1] == "ours":
    from watchfleet.instrument.tracing import celery, provider as ours
    ours.tracing.start("shop", {}, [])
    celery.install()
    celery.install()
CeleryInstrumentor().instrument()

task = app.tasks["pay"]
run = build_tracer(task.name, task, app=app)
for number, how in enumerate(("well", "fail", "retry")):
    request = {
        "id": f"id-{number}", "task": "pay", "args": (how,), "kwargs": {}, "hostname": "w@here",
        "delivery_info": {"routing_key": "celery", "exchange": ""}, "is_eager": False, "origin": "gen1@here",
        "timelimit": [None, 3], "reply_to": "r", "correlation_id": f"id-{number}", "eta": None,
        "expires": None, "retries": number, "baggage": "a=b",
    }
    if number != 1:
        request["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    run(request["id"], (how,), {}, request)
    assert not trace.get_current_span().get_span_context().is_valid

if sys.argv[2:] == ["strangers"]:
    exporter.clear()
    app.send_task("nobody.knows.it")
    assert not trace.get_current_span().get_span_context().is_valid, "its span was left open"
    resent = {"id": "x", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    app.send_task("pay", ("well",), headers=resent)

print(json.dumps([
    {
        "name": span.name, "kind": span.kind.name, "attributes": dict(span.attributes),
        "trace": span.context.trace_id, "parent": span.parent.is_remote if span.parent else None,
        "status": [span.status.status_code.name, span.status.description],
        "events": [event.name for event in span.events],
    }
    for span in exporter.get_finished_spans()
]))
"""


def spans(*arguments: str) -> list[dict[str, Any]]:
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


def test_a_span_says_what_theirs_says() -> None:
    theirs, ours = spans("theirs"), spans("ours")
    for one in (*theirs, *ours):
        if one["parent"] is None or not one["parent"]:
            one["trace"] = 0  # its own, at random
    assert ours == theirs
    assert [one["name"] for one in ours].count("run/pay") == 3


def test_a_message_of_an_unknown_task_and_one_that_is_sent_again_leave_no_span_open() -> None:
    unknown, again = spans("ours", "strangers")
    assert unknown["name"] == "apply_async/nobody.knows.it"
    assert again["name"] == "apply_async/pay"
    assert f"{again['trace']:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736"
