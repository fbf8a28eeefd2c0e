"""Tasks in real workers of every pool: all that ran is told, though the worker is stopped at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.ingested import Ingested, read
from support.servers import wait_until

HOST = """
import os, time
import watchfleet
from celery import Celery
from celery.exceptions import Ignore, Reject

app = Celery("host", broker=os.environ["HOST_BROKER_URL"])
app.conf.update(
    task_default_queue="host", task_ignore_result=True, broker_connection_retry_on_startup=True
)
watchfleet.instrument(app, flush_interval=30)
watchfleet.instrument(app)  # again, which must not count anything twice

def done(name):
    with open(os.environ["DONE"], "a") as file:
        file.write(f"{name} {os.getpid()}\\n")

@app.task(name="ok")
def ok():
    done("ok")

@app.task(name="fails")
def fails():
    done("fails")
    raise LookupError

@app.task(name="retries", bind=True, max_retries=2, default_retry_delay=0)
def retries(self):
    done("retries")
    raise self.retry()

@app.task(name="ignored")
def ignored():
    done("ignored")
    raise Ignore

@app.task(name="rejected", acks_late=True)
def rejected():
    done("rejected")
    raise Reject(requeue=False)

@app.task(name="waits")
def waits(number):
    done(f"waits-{number}")
    while True:
        time.sleep(0.05)
"""

ROUND = "ok.delay(), fails.delay(), retries.delay(), ignored.delay(), rejected.delay()"


class Host:
    """A host application in a folder of its own, and its workers."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.folder, self.done = folder, folder / "done"
        (folder / "host.py").write_text(HOST, encoding="utf-8")
        self.environment = os.environ | {"HOST_BROKER_URL": broker, "DONE": str(self.done)}
        self.environment.pop("BROKER_URL", None)

    def run(self, code: str) -> None:
        command = [sys.executable, "-c", f"from host import *\n{code}"]
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True, timeout=60)

    @contextmanager
    def worker(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "celery", "-A", "host", "worker", "--without-gossip", *options]
        command += ["--without-mingle", "--loglevel=WARNING"]
        process = subprocess.Popen(command, cwd=self.folder, env=self.environment, start_new_session=True)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
                raise

    def lines(self) -> list[str]:
        return self.done.read_text(encoding="utf-8").splitlines() if self.done.exists() else []


@pytest.fixture
def host(tmp_path: Path, redis_url: str) -> Host:
    return Host(tmp_path, redis_url)


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_every_task_is_told_though_the_worker_stops_at_once(host: Host, redis_url: str, pool: str) -> None:
    host.run(ROUND)
    with host.worker(f"--pool={pool}", "--concurrency=2"):
        wait_until(lambda: len(host.lines()) == 7)
    check(read(redis_url))


def test_a_child_of_one_task_tells_it_before_it_leaves(host: Host, redis_url: str) -> None:
    """Children leave by os._exit, which no handler of the interpreter sees."""
    host.run(ROUND)
    with host.worker("--pool=prefork", "--concurrency=7", "--max-tasks-per-child=1"):
        wait_until(lambda: len(host.lines()) == 7)
        # A worker that is told to stop while such a child is leaving may wait half a minute for it.
        wait_until(lambda: not any(Path(f"/proc/{line.split()[1]}").exists() for line in host.lines()))
    check(read(redis_url))


def check(found: Ingested) -> None:
    """All that one `ROUND` did is there, and nothing is there twice."""
    totals = {
        (row.name, row.labels["task"], row.labels.get("exception")): found.total(row.name, **row.labels)
        for row in found.samples
        if row.name.startswith("task_") and row.name.endswith("_total")
    }
    assert totals == {
        ("task_started_total", "ok", None): 1,
        ("task_succeeded_total", "ok", None): 1,
        ("task_started_total", "fails", None): 1,
        ("task_failed_total", "fails", "LookupError"): 1,
        ("task_started_total", "retries", None): 3,
        ("task_retried_total", "retries", None): 2,
        ("task_failed_total", "retries", "MaxRetriesExceededError"): 1,
        ("task_started_total", "ignored", None): 1,
        ("task_ignored_total", "ignored", None): 1,
        ("task_started_total", "rejected", None): 1,
        ("task_rejected_total", "rejected", None): 1,
    }
    assert len(found.of("task_duration_seconds", service="host")) == 7
    waits = found.of("task_queue_wait_seconds", service="host", queue="host")
    assert len(waits) == 7
    assert all(0 <= row.value < 60 for row in waits)


def test_what_the_parent_alone_sees_is_told(host: Host, redis_url: str) -> None:
    """A killed child cannot tell how its task ended; and nothing is missing of what had ended before."""
    host.run(
        "ok.apply_async(expires=0.001); [ok.delay() for _ in range(5)];"
        "waits.delay(1); waits.apply_async((2,), task_id='known')"
    )
    with host.worker("--pool=prefork", "--concurrency=3"):
        wait_until(lambda: read(redis_url).total("task_succeeded_total", task="ok") == 5)
        os.kill(child_of(host, "waits-1"), signal.SIGKILL)
        child_of(host, "waits-2")
        host.run("app.control.revoke('known', terminate=True, signal='SIGKILL')")
        wait_until(lambda: read(redis_url).total("task_failed_total", exception="WorkerLostError") == 1)
        wait_until(lambda: read(redis_url).total("task_revoked_total", reason="terminated") == 1)
    found = read(redis_url)
    assert found.total("task_revoked_total", task="ok", reason="expired") == 1
    assert found.total("task_started_total", task="ok") == 5
    assert found.total("task_succeeded_total", task="ok") == 5
    assert found.total("task_failed_total") == 1


def child_of(host: Host, name: str) -> int:
    """The process that runs a task, as soon as it does."""
    wait_until(lambda: any(line.startswith(f"{name} ") for line in host.lines()))
    return next(int(line.split()[1]) for line in host.lines() if line.startswith(f"{name} "))
