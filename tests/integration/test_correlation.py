"""The correlation id and the trace, from a request through every primitive of Celery, in real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from celery import Celery, signature
from support.otlp import grpc_collector, http_collector
from support.servers import ROOT, free_port, running, wait_until
from support.web_server import serving

SAID = {
    "delay",
    "apply_async",
    "send_task",
    "chain-1",
    "chain-2",
    "chain-3",
    "group-1",
    "group-2",
    "header-1",
}
SAID |= {"header-2", "body", "linking", "link", "link_error", "lost-error", "hung-error"}
EVERYTHING = {f"say {word}" for word in SAID} | {f"retried {number}" for number in range(3)}
EVERYTHING |= {"request", "fails", "lost", "told", "hangs", "killed 0", "killed 1"}

FORKS = 100 if os.environ.get("EVERY_POOL") else 20
"""Tasks for the pool that makes a child for each."""
POOLS = [
    (http_collector, 100, ("--pool=prefork", "--concurrency=2")),
    (http_collector, FORKS, ("--pool=prefork", "--concurrency=2", "--max-tasks-per-child=1")),
    (grpc_collector, 100, ("--pool=gevent", "--concurrency=50")),
    (grpc_collector, 100, ("--pool=prefork", "--concurrency=2", "--max-tasks-per-child=10")),
    (grpc_collector, 100, ("--pool=threads", "--concurrency=8")),
    (http_collector, 100, ("--pool=solo",)),
]
"""Receiver, tasks and worker. `make spans` tries all of them, the whole suite the first three."""


class Host:
    """The application of `support.traced_host`, and its processes."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.folder, self.log = folder, folder / "lines"
        self.log.touch()
        self.environment = os.environ | {
            "HOST_BROKER_URL": broker,
            "LOG_LINES": str(self.log),
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
        }
        self.environment.pop("BROKER_URL", None)

    @contextmanager
    def worker(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "celery", "-A", "support.traced_host:celery", "worker"]
        command += ["--without-gossip", "--without-mingle", "--loglevel=WARNING", *options]
        with running(command, self.folder / "worker", environment=self.environment) as process:
            yield process

    @contextmanager
    def web(self) -> Iterator[str]:
        port = free_port()
        command = [sys.executable, "-m", "flask", "--app", "support.traced_host:app", "run", f"--port={port}"]
        with running(command, self.folder / "web", environment=self.environment):
            wait_until(lambda: "Running on" in (self.folder / "web").read_text(errors="replace"))
            yield f"http://127.0.0.1:{port}"

    def lines(self, correlation_id: str) -> list[str]:
        """What was logged under an id."""
        split = [line.split(" ", 2) for line in self.log.read_text().splitlines()]
        return [message for _, found, message in split if found == correlation_id]


@pytest.fixture
def host(tmp_path: Path, redis_url: str) -> Host:
    return Host(tmp_path, redis_url)


def post(url: str, **headers: str) -> Any:
    request = Request(
        url, method="POST", headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    return urlopen(request, timeout=20)


def test_the_id_of_a_request_survives_every_primitive(host: Host) -> None:
    """A retry after the child that ran the task was killed, and its errbacks, too."""
    with host.web() as site:
        with post(f"{site}/primitives", X_Request_ID="order-4711") as response:
            assert response.headers["X-Request-ID"] == "order-4711"
        with post(f"{site}/primitives", X_Correlation_ID="second.one") as response:
            assert response.read() == b"second.one"
        with post(f"{site}/primitives", X_Request_ID="no good\x1b[31m") as response:
            made = response.headers["X-Request-ID"]
    with host.worker("--concurrency=2"):
        for known in ("order-4711", "second.one", made):
            wait_until(lambda known=known: set(host.lines(known)) >= EVERYTHING, 60)
    assert len(made) == 32
    everyone = [line.split(" ", 2)[1] for line in host.log.read_text().splitlines()]
    assert set(everyone) == {"order-4711", "second.one", made}


def test_the_id_of_a_task_survives_the_kill_of_its_whole_worker(host: Host) -> None:
    host.environment["VISIBILITY_TIMEOUT"] = "2"
    with host.web() as site:
        post(f"{site}/fatal", X_Request_ID="order-4712").close()
    with host.worker("--concurrency=1") as worker:
        assert worker.wait(60) == -signal.SIGKILL
    assert host.lines("order-4712") == ["fatal"]
    with host.worker("--concurrency=1"):
        wait_until(lambda: host.lines("order-4712") == ["fatal", "fatal"], 60)


def test_the_id_that_asgi_correlation_id_sends_is_taken_up(host: Host, redis_url: str) -> None:
    """By a publisher that knows nothing of us; and handed on, to the callback as well."""
    link = signature("say", ("foreign-link",), immutable=True, options={"queue": "host"})
    with Celery(broker=redis_url, set_as_current=False) as app:
        for given in ("order-4713", "no good\x1b[31m"):
            headers = {"CORRELATION_ID": given}
            app.send_task("say", ("foreign",), queue="host", headers=headers, link=link)
    with host.worker("--pool=solo"):
        wait_until(lambda: host.log.read_text().count("say foreign-link") == 2, 60)
    assert sorted(host.lines("order-4713")) == ["say foreign", "say foreign-link"]
    assert "no good" not in host.log.read_text()


def test_each_tick_of_beat_has_an_id_of_its_own(host: Host) -> None:
    beat = [sys.executable, "-m", "celery", "-A", "support.traced_host:celery", "beat", "--pidfile="]
    beat += [f"--schedule={host.folder / 'schedule'}"]
    with (
        running(beat, host.folder / "beat", environment=host.environment),
        host.worker("--pool=solo"),
    ):
        wait_until(lambda: host.log.read_text().count("say tick") >= 2, 60)
    found = [line.split(" ", 2)[1] for line in host.log.read_text().splitlines()]
    assert len(set(found)) == len(found)
    assert {len(one) for one in found} == {32}


@pytest.mark.parametrize(
    ("receiver", "tasks", "options"), POOLS if os.environ.get("EVERY_POOL") else POOLS[:3]
)
def test_no_span_is_lost_when_a_worker_stops_right_after_its_tasks(
    host: Host, redis_url: str, receiver: Any, tasks: int, options: tuple[str, ...]
) -> None:
    with Celery(broker=redis_url, set_as_current=False) as app, receiver() as collector:
        ids = [str(app.send_task("noop", queue="host").id) for _ in range(tasks)]
        protocol = "grpc" if receiver is grpc_collector else "http/protobuf"
        host.environment |= {"OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        with host.worker(*options) as worker:
            wait_until(lambda: host.log.read_text().count("noop") == tasks, 60, every=0.01)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
        runs = collector.named("run/noop")
    assert sorted(str(span.attributes["messaging.message.id"]) for span in runs) == sorted(ids)
    assert {span.resource["service.name"] for span in runs} == {"host"}
    assert len({span.attributes["correlation_id"] for span in runs}) == tasks
    assert all(span.attributes["correlation_id"] == span.trace_id for span in runs)


def test_request_task_subtask_and_query_are_one_trace_under_one_id(host: Host) -> None:
    with http_collector() as collector, serving() as other:
        host.environment |= {"OTLP_ENDPOINT": collector.url, "OTHER_SITE": other.url("/status/200")}
        with host.web() as site, host.worker("--pool=solo"):
            with post(f"{site}/outer") as response:
                known = response.headers["X-Request-ID"]
            wait_until(lambda: "say inner" in host.lines(known), 60)
    assert host.lines(known) == ["request", "outer", "say inner"]
    assert len(host.log.read_text().splitlines()) == 3
    spans = collector.spans
    assert {span.trace_id for span in spans} == {known}
    assert {span.attributes["correlation_id"] for span in spans} == {known}
    names = {f"{span.kind} {span.name}" for span in spans}
    assert {"SERVER POST /outer", "CLIENT GET", "PRODUCER apply_async/outer", "CONSUMER run/outer"} <= names
    assert {"CLIENT SELECT", "PRODUCER apply_async/say", "CONSUMER run/say"} <= names
    assert [headers["x-request-id"] for _, _, headers, _ in other.requests] == [known, known]
    assert all(known in headers["traceparent"] for _, _, headers, _ in other.requests)
    assert all(f"correlation_id={known}" in headers["baggage"] for _, _, headers, _ in other.requests)
