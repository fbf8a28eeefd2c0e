"""Targets that are checked from several places, by a real worker at each."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from celery import Celery
from sqlalchemy import select
from support.probing import beat, configure, tick, worker
from support.servers import wait_until
from support.web_server import WebServer, serving

from watchfleet.db.cache import get_cache
from watchfleet.db.engine import transaction
from watchfleet.db.tables import probe_target
from watchfleet.fleet import location_queue
from watchfleet.metrics.read import series
from watchfleet.probes import health

PLACES = ("eu", "us", "ap")


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server


@pytest.fixture
def fleet(
    environment: pytest.MonkeyPatch, web: WebServer, tmp_path: Path
) -> Iterator[tuple[Celery, dict[str, psutil.Process]]]:
    """A client of a fleet that checks a shop from three places, and the worker of each."""
    shop: dict[str, object] = {
        "name": "shop",
        "kind": "http",
        "url": web.url("/status/200"),
        "interval": "1s",
    }
    shop["locations"] = PLACES
    configure(environment, tmp_path, [shop])
    queues = {"probes": "watchfleet.probes", **{place: location_queue(place) for place in PLACES}}
    with ExitStack() as stack:
        workers = {}
        for name, queue in queues.items():
            pid = stack.enter_context(worker(tmp_path / f"{name}.log", queue, name=f"at-{name}"))
            workers[name] = psutil.Process(pid)
        yield stack.enter_context(beat()), workers


def standing() -> tuple[str, str, str]:
    with transaction() as connection:
        row = connection.execute(select(probe_target).where(probe_target.c.name == "shop")).one_or_none()
    return (row.status, row.reason, row.detail) if row else ("", "", "")


def shown() -> str | None:
    """The status that health endpoints answer from; it is there a moment after that in the store."""
    check = health.read(get_cache()).get("shop")
    return check.status if check else None


def test_it_is_up_while_most_places_say_so_and_nobody_knows_when_they_are_gone(
    fleet: tuple[Celery, dict[str, psutil.Process]], web: WebServer
) -> None:
    client, workers = fleet
    wait_until(lambda: tick(client) or standing()[0] == "up", every=0.5)
    wait_until(lambda: shown() == "up")
    with transaction() as connection:
        places = {one["location"] for one in series(connection, "probe_success", {"target": "shop"}).values()}
    assert places == set(PLACES)
    workers["ap"].kill()  # two of three are enough
    for _ in range(5):
        wait_until(lambda: not tick(client), every=0.5)
    assert standing()[0] == "up"
    workers["us"].kill()
    wait_until(lambda: tick(client) or standing()[:2] == ("unknown", "locations_missing"), every=0.5)
    assert standing()[2] == "no word from us, ap"


def test_it_is_down_when_most_places_say_so(
    fleet: tuple[Celery, dict[str, psutil.Process]], web: WebServer
) -> None:
    client, _ = fleet
    wait_until(lambda: tick(client) or standing()[0] == "up", every=0.5)
    web.close()
    wait_until(lambda: tick(client) or standing()[:2] == ("down", "connection_refused"), every=0.5)
    assert standing()[2].startswith("down in ")
    wait_until(lambda: shown() == "down")
