"""The web process as it runs in production, while its servers serve, hang and die."""

import http.client
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from support.haproxy import HAProxy, haproxy, needs_haproxy
from support.mortal import Mortal, mortal_valkey
from support.servers import ROOT, PostgresServer, free_port, running, wait_until

from watchfleet.clock import utcnow
from watchfleet.model import Measurement, Status
from watchfleet.probes import health
from watchfleet.probes.health import Check

TOKEN = "token-of-the-test"
REQUIRED = ("postgres", "redis", "celery-workers", "celery-beat")


@dataclass
class Web:
    """A running gunicorn, its servers, and what they wrote."""

    port: int
    log: Path
    postgres: Mortal
    valkey: Mortal
    redis_url: str
    database_url: str

    def get(self, path: str, token: str = "") -> tuple[int, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def becomes_ready(self) -> None:
        """With results that come again and again, as the probes worker's do."""
        wait_until(lambda: self.report() or self.ready())

    def ready(self) -> bool:
        return self.get("/health/ready")[0] == 200

    def details(self) -> dict[str, dict[str, Any]]:
        checks = json.loads(self.get("/health", TOKEN)[1]).get("checks", {})
        return {components[0]["componentId"]: components[0] for components in checks.values()}

    def output(self, name: str) -> str:
        return str(self.details().get(name, {}).get("output", ""))

    def metrics(self) -> dict[str, float]:
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return {sample.name: sample.value for family in families for sample in family.samples}

    def report(self, age: float = 0, **changed: Status) -> bool:
        """Put results into the cache, as the probes worker does; returns False."""
        at = utcnow().timestamp() - age
        checks = {
            name: Check(
                changed.get(name, Status.UP), "", 0.01, at, "", 5.0, required=True, kind=name, values=VALUES
            )
            for name in REQUIRED
        }
        with closing(Redis.from_url(self.redis_url, decode_responses=True)) as cache:
            health.write(cache, checks)
        return False


VALUES = (Measurement("celery_queue_length", 7.0, {"queue": "watchfleet.probes"}),)


@pytest.fixture(scope="module")
def web(
    tmp_path_factory: pytest.TempPathFactory, mortal_store: tuple[Mortal, PostgresServer]
) -> Iterator[Web]:
    folder, (postgres, server) = tmp_path_factory.mktemp("web"), mortal_store
    with mortal_valkey(folder) as (valkey, redis_url):
        found = Web(free_port(), folder / "web.log", postgres, valkey, redis_url, server.url())
        with serving(found, DEPENDENCY_INTERVAL="1s"):
            yield found


@contextmanager
def serving(web: Web, **variables: str) -> Iterator[None]:
    """The web process, with these settings besides its servers'."""
    known = {"DATABASE_URL": web.database_url, "BROKER_URL": web.redis_url, "API_TOKEN": TOKEN}
    paths = {"PYTHONPATH": str(ROOT), "WATCHFLEET_CONFIG": os.devnull}
    configuration = str(ROOT / "workers" / "gunicornconf.py")
    options = ["-c", configuration, "--chdir", str(ROOT), "-b", f"127.0.0.1:{web.port}"]
    gunicorn = [sys.executable, "-m", "gunicorn", *options, "workers.web:app"]
    with running(gunicorn, web.log, environment={**os.environ, **known, **paths, **variables}):
        wait_until(lambda: answers(web))
        yield


def answers(web: Web) -> bool:
    try:
        return web.get("/health/live")[0] == 200
    except OSError:
        return False


def test_readiness_follows_the_results_of_the_required(web: Web) -> None:
    web.becomes_ready()
    assert json.loads(web.get("/health")[1]) == {"status": "pass"}
    web.report(postgres=Status.DOWN)
    wait_until(lambda: not web.ready())
    assert web.get("/health/live")[0] == 200
    web.becomes_ready()
    web.report(age=20)  # after which the process looks for itself
    wait_until(lambda: web.details()["postgres"]["status"] == "pass" and not web.ready())
    assert web.details()["celery-workers"]["output"].startswith("starting")


def test_metrics_show_results_and_the_store(web: Web) -> None:
    wait_until(lambda: web.report() or web.metrics().get("watchfleet_ready") == 1)
    found = web.metrics()
    assert found["celery_queue_length"] == 7
    assert found["watchfleet_store_up"] == 1
    assert found["watchfleet_cache_up"] == 1
    assert found["watchfleet_notifications"] == 0
    assert found["process_cpu_seconds_total"] > 0


def test_hundreds_of_requests_read_the_cache_a_few_times(web: Web) -> None:
    web.becomes_ready()
    with closing(Redis.from_url(web.redis_url, decode_responses=True)) as cache:
        cache.config_resetstat()
        with ThreadPoolExecutor(8) as pool:
            began = utcnow()
            answered = list(pool.map(lambda _: web.get("/health")[0], range(400)))
        seconds = (utcnow() - began).total_seconds()
        reads = cache.info("commandstats").get("cmdstat_hgetall", {"calls": 0})["calls"]
    assert len(answered) == 400
    assert reads <= seconds + 2


@needs_haproxy
def test_haproxy_follows_up_down_up(web: Web, tmp_path: Path) -> None:
    web.becomes_ready()
    with haproxy(tmp_path, web.port, "/health/ready") as balancer:
        wait_until(lambda: web.report() or balancer.status() == "UP")
        wait_until(lambda: web.report(postgres=Status.DOWN) or balancer.status() == "DOWN")
        assert through(balancer) == 503
        wait_until(lambda: web.report() or balancer.status() == "UP")
        assert through(balancer) == 200


def through(balancer: HAProxy) -> int:
    """What HAProxy answers in the name of what is behind it."""
    with closing(http.client.HTTPConnection("127.0.0.1", balancer.port, timeout=10)) as connection:
        connection.request("GET", "/health/live")
        return connection.getresponse().status


@pytest.fixture
def alone(environment: pytest.MonkeyPatch, web: Web, tmp_path: Path) -> Iterator[Web]:
    """A web process of servers that nobody else uses: it checks them itself, as often as is the default."""
    with mortal_valkey(tmp_path) as (valkey, redis_url):
        found = replace(web, valkey=valkey, redis_url=redis_url, database_url=os.environ["DATABASE_URL"])
        found.port, found.log = free_port(), tmp_path / "web.log"
        with serving(found):
            yield found


def test_five_hundred_requests_a_second_cause_a_check_each_five_seconds(alone: Web) -> None:
    wait_until(lambda: alone.details()["postgres"]["status"] == "pass")
    began, before = time.monotonic(), checks(alone)
    with ThreadPoolExecutor(8) as pool:
        paced = [pool.submit(ask_at, alone, began + number / 500) for number in range(5000)]
        assert {one.result() for one in paced} == {503}, "workers and beat are away"
    seconds, done = time.monotonic() - began, checks(alone)
    assert done["redis"] - before["redis"] > OTHERS["redis"], "somebody checks"
    for name, count in done.items():
        assert count - before[name] - OTHERS[name] <= seconds / 5 + 1, name


OTHERS = {"redis": 1, "postgres": 3}
"""What is no check: that of `checks` itself, and the connections that the web process keeps to the store."""


def ask_at(web: Web, instant: float) -> int:
    time.sleep(max(0.0, instant - time.monotonic()))
    return web.get("/health")[0]


def checks(web: Web) -> dict[str, int]:
    """How often Valkey was asked how it is, and PostgreSQL's database visited; these visits too."""
    with closing(Redis.from_url(web.redis_url, decode_responses=True)) as cache:
        asked = cache.info("commandstats")["cmdstat_info"]["calls"]
    with closing(psycopg2.connect(web.database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT sessions FROM pg_stat_database WHERE datname = current_database()")
        (sessions,) = cursor.fetchone() or (0,)
    return {"redis": asked, "postgres": sessions}


def test_clients_that_leave_early_harm_nothing(web: Web) -> None:
    for path in ("/health", "/metrics", "/"):
        for _ in range(10):
            connection = socket.create_connection(("127.0.0.1", web.port), timeout=5)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            connection.close()  # with a reset, as HAProxy does once it has the status
    assert web.get("/health/live")[0] == 200
    assert "Traceback" not in web.log.read_text()


def test_a_cache_that_hangs_delays_no_answer_and_is_named(web: Web) -> None:
    web.becomes_ready()
    web.valkey.stop()
    try:
        wait_until(lambda: web.output("redis").startswith("timeout"))
        slow = []
        for _ in range(50):
            began = utcnow()
            assert web.get("/health/ready")[0] == 503
            assert web.get("/health/live")[0] == 200
            slow.append((utcnow() - began).total_seconds())
        # A single wait for the cache would take a second: no answer waited.
        assert sorted(slow)[25] < 0.5
        assert web.metrics()["watchfleet_cache_up"] == 0
    finally:
        web.valkey.resume()
    web.becomes_ready()


def test_a_store_that_hangs_costs_its_own_metrics_alone(web: Web) -> None:
    wait_until(lambda: web.metrics().get("watchfleet_store_up") == 1)
    web.postgres.stop()
    try:
        wait_until(lambda: web.metrics()["watchfleet_store_up"] == 0)
        wait_until(lambda: web.report() or web.metrics()["watchfleet_ready"] == 1)
        assert web.metrics()["celery_queue_length"] == 7
    finally:
        web.postgres.resume()
    wait_until(lambda: web.metrics()["watchfleet_store_up"] == 1)


def test_without_cache_and_store_the_process_still_answers_and_tells_why(web: Web) -> None:
    web.valkey.kill()
    web.postgres.kill()
    try:
        wait_until(lambda: web.output("postgres").startswith("connection_refused"))
        assert web.output("postgres").endswith("no answer from the database: connection refused")
        assert web.output("redis") == "connection_refused: no answer to PING: connection refused"
        assert web.output("celery-beat").startswith("store_unavailable")
        assert not web.ready()
        assert web.get("/health/live")[0] == 200
        assert not any(secret in str(web.details()) for secret in (web.redis_url, "postgresql://"))
    finally:
        web.valkey.start()
        web.postgres.start()
    web.becomes_ready()
