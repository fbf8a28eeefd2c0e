"""A database that dies under those who need it, in a real worker: one alert, which says whom it hides."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from sqlalchemy import select
from support.outbox_rows import rows
from support.probing import beat, configure, tick, worker
from support.servers import free_port, wait_until
from support.web_server import WebServer, serving

from watchfleet.db.cache import get_cache
from watchfleet.db.engine import transaction
from watchfleet.db.tables import alert, probe_status, probe_target
from watchfleet.probes import health

APPS = [f"app-{number:02}" for number in range(30)]


def listening(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=64)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def client(environment: pytest.MonkeyPatch, web: WebServer, port: int, tmp_path: Path) -> Iterator[Celery]:
    """A client of a worker that checks a database and thirty applications which need it."""
    database = {"name": "db", "kind": "tcp", "address": f"127.0.0.1:{port}", "interval": "1s"}
    app = {"kind": "http", "url": web.url("/status/200"), "interval": "1s", "depends_on": ["db"]}
    targets = [database, *({"name": name, **app} for name in APPS)]
    configure(environment, tmp_path, targets)
    with worker(tmp_path / "worker.log", "watchfleet.probes", "watchfleet.rules"), beat() as client:
        yield client


def tick_both(client: Celery) -> bool:
    """A tick for the probes and one for the rules; returns False."""
    client.send_task("watchfleet.rules.evaluate", queue="watchfleet.rules", expires=1)
    return tick(client)


def statuses() -> set[tuple[str, str]]:
    """The statuses and reasons of the applications."""
    query = select(probe_target.c.status, probe_target.c.reason).where(probe_target.c.name.in_(APPS))
    with transaction() as connection:
        return {(row.status, row.reason) for row in connection.execute(query)}


def firing() -> list[str]:
    """Whose alerts fire, but for the fleet's own dependencies, most of which there are not here."""
    target = alert.c.labels["target"].astext
    query = select(target).where(alert.c.state == "firing", target.in_(["db", *APPS]))
    with transaction() as connection:
        return sorted(connection.scalars(query))


def test_one_alert_tells_of_the_database_and_of_the_thirty_that_it_hides(
    client: Celery, web: WebServer, port: int
) -> None:
    with listening(port):
        wait_until(lambda: tick_both(client) or statuses() == {("up", "")}, every=0.5)
        web.close()
    wait_until(lambda: tick_both(client) or firing() == ["db"], every=0.5)
    wait_until(lambda: tick_both(client) or statuses() == {("unknown", "dependency_down")}, every=0.5)
    for _ in range(4):
        wait_until(lambda: not tick_both(client), every=0.5)
    alerts = [row.message["alerts"][0] for row in rows()]
    (told,) = (one for one in alerts if one["labels"]["target"] in {"db", *APPS})
    assert told["labels"]["target"] == "db"
    assert told["annotations"]["description"].endswith(f"It hides 30 that depend on it: {', '.join(APPS)}.")
    assert firing() == ["db"]
    checks = health.read(get_cache())
    assert {(checks[name].status, checks[name].reason) for name in APPS} == {("unknown", "dependency_down")}
    with listening(port):  # the applications are still broken: now that is their own fault
        wait_until(lambda: tick_both(client) or firing() == APPS, every=0.5)
    with transaction() as connection:
        known = connection.scalars(
            select(probe_status.c.status).where(probe_status.c.target == "app-00").order_by(probe_status.c.id)
        ).all()
    assert (known[0], known[-1]) == ("up", "down")
    assert "down" not in known[:-1]
