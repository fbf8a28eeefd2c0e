"""The fleet's own processes send spans to OTLP_ENDPOINT: real workers, a real beat, a real web process."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from celery import Celery
from support.otlp import Collector, http_collector
from support.processes import started, worker
from support.servers import ROOT, free_port, running, wait_until
from support.worker_tasks import events, nap

from workers.task import Task

QUEUE = "watchfleet.upkeep"
pytestmark = pytest.mark.usefixtures("environment")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with http_collector() as found:
        yield found


def test_every_task_of_a_worker_that_stops_at_once_is_there(
    tmp_path: Path, redis_url: str, collector: Collector
) -> None:
    with Celery(broker=redis_url, task_cls=Task, set_as_current=False) as app:
        app.conf.update(task_default_queue=QUEUE)
        ids = [str(app.tasks[nap.name].apply_async((0,)).id) for _ in range(20)]
    options = ("--concurrency=2", "--hostname=upkeep@here")
    with worker("prefork", tmp_path / "log", *options, OTLP_ENDPOINT=collector.url) as process:
        wait_until(lambda: all("ended" in events(one) for one in ids))
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    spans = collector.named(f"run/{nap.name}")
    assert sorted(str(span.attributes["messaging.message.id"]) for span in spans) == sorted(ids)
    assert {span.resource["service.name"] for span in spans} == {"watchfleet-upkeep"}
    assert {span.kind for span in spans} == {"CONSUMER"}


def test_a_tick_of_beat_its_task_and_its_statements_are_one_trace(
    tmp_path: Path, collector: Collector
) -> None:
    node = ("--concurrency=1", "--queues=watchfleet.rules", "--hostname=rules@here")
    with (
        worker("threads", tmp_path / "log", *node, OTLP_ENDPOINT=collector.url),
        started("beat", log=tmp_path / "beat", OTLP_ENDPOINT=collector.url),
    ):
        wait_until(lambda: bool(collector.named("run/watchfleet.rules.evaluate")), 60)
        (run, *_) = collector.named("run/watchfleet.rules.evaluate")
        wait_until(lambda: any(one.span_id == run.parent_id for one in collector.spans))
    sent = next(one for one in collector.spans if one.span_id == run.parent_id)
    assert (sent.name, sent.kind) == ("apply_async/watchfleet.rules.evaluate", "PRODUCER")
    assert sent.resource["service.name"] == "watchfleet-beat"
    assert sent.trace_id == run.trace_id
    assert sent.attributes["correlation_id"] == run.attributes["correlation_id"] == run.trace_id
    statements = [one for one in collector.spans if one.parent_id == run.span_id]
    assert {one.attributes["db.system.name"] for one in statements} == {"postgresql"}
    assert {one.trace_id for one in statements} == {run.trace_id}


def test_the_web_process_sends_its_requests(
    tmp_path: Path, collector: Collector, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("OTLP_ENDPOINT", collector.url)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "workers/gunicornconf.py"]
    command += [f"--bind=127.0.0.1:{port}", f"--chdir={ROOT}", "workers.web:app"]
    with running(command, tmp_path / "log"):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health/live"))
        asked = Request(f"http://127.0.0.1:{port}/health/live", headers={"X-Request-ID": "asked-1"})
        with urlopen(asked, timeout=5) as response:
            assert response.headers["X-Request-ID"] == "asked-1"
    found = collector.named("GET /health/live")
    assert found
    assert {span.resource["service.name"] for span in found} == {"watchfleet-web"}
    assert "asked-1" in {span.attributes["correlation_id"] for span in found}


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
