"""From a tick to results in the cache and in the store, in a real worker on a real broker."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from celery import Celery
from redis import Redis
from sqlalchemy import select
from support.probing import beat, configure, tick, worker
from support.servers import wait_until
from support.web_server import WebServer, serving

from watchfleet.breaker import State, statistics
from watchfleet.db.cache import get_cache
from watchfleet.db.engine import transaction
from watchfleet.db.tables import probe_target
from watchfleet.model import Status
from watchfleet.probes import health
from watchfleet.rules.bell import take_down
from watchfleet.rules.library import get_library


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server


@pytest.fixture
def client(environment: pytest.MonkeyPatch, web: WebServer, tmp_path: Path) -> Iterator[Celery]:
    """A client of a running probes worker, which knows one target beside its own."""
    target = {
        "name": "shop",
        "kind": "http",
        "url": web.url("/status/200"),
        "interval": "1s",
        "required": True,
    }
    configuration = configure(environment, tmp_path, [target, {"name": "broken", "kind": "nonsense"}])
    log = tmp_path / "worker.log"
    with worker(log, "watchfleet.probes"), beat() as client:
        yield client
    assert f"{configuration}:1: target \"broken\": there is no probe of kind 'nonsense'" in log.read_text()


def status(name: str) -> Status | None:
    check = health.read(get_cache()).get(name)
    return check.status if check else None


def breaker(name: str) -> State | None:
    return next((one.state for one in statistics.read(get_cache()) if one.name == name), None)


def failures(name: str) -> int | None:
    with transaction() as connection:
        return connection.scalar(select(probe_target.c.failures).where(probe_target.c.name == name))


def test_a_tick_checks_what_is_due_and_failures_call_the_rules(client: Celery, web: WebServer) -> None:
    wait_until(lambda: tick(client) or status("shop") is Status.UP, every=0.3)
    wait_until(lambda: {"postgres", "redis", "disk", "memory"} <= set(health.read(get_cache())))
    assert {status(name) for name in ("postgres", "redis", "disk", "memory")} <= {Status.UP, Status.DEGRADED}
    assert status("broken") is None
    with closing(Redis.from_url(os.environ["BROKER_URL"])) as broker:
        broker.delete("watchfleet.rules")
        for group in get_library().prepared({}):
            take_down(group.key)  # as the evaluator does that got the calls so far
        web.close()
        wait_until(lambda: tick(client) or (failures("shop") or 0) >= 2, every=0.3)
        assert status("shop") is Status.DOWN
        wait_until(lambda: tick(client) or breaker("shop") is State.OPEN, every=0.3)
        calls = [json.loads(message) for message in broker.lrange("watchfleet.rules", 0, -1)]
    assert {call["headers"]["task"] for call in calls} == {"watchfleet.rules.evaluate_now"}
    assert all(call["headers"]["expires"] for call in calls)
