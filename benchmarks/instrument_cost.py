"""What instrumentation costs a Celery task: CPU time of a no-op task in the tracer that workers run it in.

Five processes, each instrumented in its own way, run the same tasks in turn: bare; OpenTelemetry alone, set
up as its documentation says; ours with spans, correlation id and task metrics; ours without spans; sentry-sdk
with traces. The CPU time of the whole process counts, so that of threads that encode and send does, too.
Spans go to a receiver, samples to a Valkey, both real and in processes of their own.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any, Final

from benchmarks import _harness, _worker

GOAL: Final = 80.0
ROUNDS: Final = 5
CONTESTANTS: Final = ("bare", "opentelemetry", "ours", "ours_without_spans", "sentry")
_SINK: Final = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
print(server.server_port, flush=True)
server.serve_forever()
"""


def main() -> None:
    tasks = 1000 if _harness.quick() else 5_000
    with ExitStack() as stack:
        broker = stack.enter_context(_worker.broker())
        address = stack.enter_context(sink())
        hosts = {name: stack.enter_context(_host(name, broker, address)) for name in CONTESTANTS}
        for host in hosts.values():
            host(tasks // 10)
        found: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
        for number in range(ROUNDS):
            for name in CONTESTANTS if number % 2 == 0 else CONTESTANTS[::-1]:
                found[name].append(hosts[name](tasks))
    cost = {name: round(median(values), 1) for name, values in found.items()}
    above = {f"{name}_above_bare": round(value - cost["bare"], 1) for name, value in cost.items()}
    _harness.report(
        "instrument_cost",
        above["ours_above_bare"] / above["opentelemetry_above_bare"],
        f"ours_above_bare <= {GOAL:.0f}",
        ours=above["ours_above_bare"],
        peer=above["opentelemetry_above_bare"],
        unit="us of CPU per task above bare",
        tasks=tasks,
        **{f"{name}_cost": value for name, value in cost.items()},
    )


@contextmanager
def sink() -> Iterator[str]:
    """A receiver that takes whatever is posted, in a process of its own; its address."""
    with subprocess.Popen([sys.executable, "-c", _SINK], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield f"127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


@contextmanager
def _host(name: str, broker: str, sink: str) -> Iterator[Callable[[int], float]]:
    """A process that runs as many tasks as it is told, and returns the microseconds of CPU time of each."""
    variables = {"BENCH_BROKER_URL": broker, "BENCH_SINK": sink}
    command = [sys.executable, "-m", "benchmarks.instrument_cost", "--host", name]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "OTLP_"))}
    with subprocess.Popen(
        command,
        cwd=_harness.ROOT,
        env=environment | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        stdin, stdout = process.stdin, process.stdout

        def run(tasks: int) -> float:
            stdin.write(f"{tasks}\n")
            stdin.flush()
            return float(json.loads(stdout.readline()))

        try:
            yield run
        finally:
            process.kill()


def serve(name: str) -> None:
    """Instrument this process, then run tasks as the standard input says."""
    if name == "sentry":
        _with_sentry()
    from celery import Celery  # noqa: PLC0415 - sentry-sdk wants to be there before
    from celery.app.trace import build_tracer  # noqa: PLC0415 - as above

    app = Celery("bench", broker=os.environ["BENCH_BROKER_URL"], set_as_current=True)
    app.conf.task_ignore_result = True

    @app.task(name="noop")
    def noop() -> None:
        pass

    {"opentelemetry": _with_opentelemetry, "ours": _with_ours, "ours_without_spans": _with_ours_alone}.get(
        name, lambda _: None
    )(app)
    task = app.tasks[noop.name]  # what a worker has; the decorated function is a proxy of it
    trace = build_tracer(task.name, task, app=app)
    for line in sys.stdin:
        print(json.dumps(_timed(trace, int(line))), flush=True)


def _timed(trace: Any, tasks: int) -> float:
    began = time.process_time()
    for number in range(tasks):
        request = {
            "id": f"00000000-0000-4000-8000-{number:012}",
            "task": "noop",
            "args": (),
            "kwargs": {},
            "hostname": "bench@here",
            "delivery_info": {"routing_key": "celery", "exchange": ""},
            "is_eager": False,
            "retries": 0,
            "x_correlation_id": "order-4711",
            "x_watchfleet_published": time.time(),
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        }
        trace(request["id"], (), {}, request)
    took = time.process_time() - began
    time.sleep(1.5)  # what is left in queues is sent, outside of the measurement as for all of them
    return took / tasks * 1e6


def _with_opentelemetry(_: Any) -> None:
    from opentelemetry import trace  # noqa: PLC0415 - of this contestant alone
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"http://{os.environ['BENCH_SINK']}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()


def _with_ours(app: Any) -> None:
    import watchfleet  # noqa: PLC0415 - of this contestant alone

    endpoint = f"http://{os.environ['BENCH_SINK']}"
    watchfleet.instrument(app, service="bench", otlp_endpoint=endpoint)


def _with_ours_alone(app: Any) -> None:
    import watchfleet  # noqa: PLC0415 - of this contestant alone

    watchfleet.instrument(app, service="bench")


def _with_sentry() -> None:
    import sentry_sdk  # noqa: PLC0415 - of this contestant alone

    sentry_sdk.init(dsn=f"http://key@{os.environ['BENCH_SINK']}/1", traces_sample_rate=1.0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--host"]:
        serve(sys.argv[2])
    else:
        main()
