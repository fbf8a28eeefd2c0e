"""The task that batches travel by, with the broker and the store that it meets in the fleet."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from redis import Redis
from sqlalchemy import text
from support.servers import ROOT, free_port, wait_until

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.fleet import INGEST_QUEUE
from watchfleet.model import Kind, Sample
from watchfleet.wire import pack

pytestmark = pytest.mark.usefixtures("environment")

IMPORTS = "import sys, json, workers.celery, tasks.ingest as t; given = json.load(sys.stdin); "
SEND = IMPORTS + "[t.write.apply_async(one) for one in given]"
RUN = IMPORTS + "t.PATIENCE = 0; t.write.apply(given)"


def batch() -> object:
    now = utcnow().timestamp()
    return pack([Sample("m", {"host": str(n)}, Kind.GAUGE, now, 1.0) for n in range(20)])


def python(program: str, arguments: list[object], **variables: str) -> None:
    subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(arguments).encode(),
        cwd=ROOT,
        env={**os.environ, **variables},
        timeout=60,
        check=True,
    )


def stored() -> int:
    with transaction() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM samples")) or 0)


@contextmanager
def worker(**variables: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "celery", "-A", "workers", "worker", f"--queues={INGEST_QUEUE}"]
    command += ["--pool=threads", "--concurrency=2"]  # as the fleet runs it
    command += ["--without-gossip", "--without-mingle", "--loglevel=INFO"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables}, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def test_batches_that_a_worker_gets_twice_are_stored_once(redis_url):
    one = batch()
    python(SEND, [[batch_id, one] for batch_id in ("b1", "b1", "b2")])
    with worker(), closing(Redis.from_url(redis_url)) as broker:
        wait_until(lambda: (stored(), broker.llen(INGEST_QUEUE), broker.hlen("unacked")) == (40, 0, 0), 60)
    assert stored() == 40


def test_a_batch_goes_back_to_its_queue_when_the_store_is_away_for_long(redis_url):
    nowhere = f"postgresql://x:secret@127.0.0.1:{free_port()}/x"
    python(RUN, ["b1", batch()], DATABASE_URL=nowhere)
    with closing(Redis.from_url(redis_url)) as broker:
        assert broker.llen(INGEST_QUEUE) == 1
        headers = json.loads(broker.lindex(INGEST_QUEUE, 0))["headers"]
        shown = headers["argsrepr"] + headers["kwargsrepr"]  # what task events carry
        assert "b1" in shown
        assert "host" not in shown
        with worker():
            wait_until(lambda: stored() == 20, 60)
