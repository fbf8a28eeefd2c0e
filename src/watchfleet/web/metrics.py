"""The blueprint of `/metrics`, for Prometheus and whatever reads its formats."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from watchfleet import __version__
from watchfleet.breaker import statistics
from watchfleet.breaker.statistics import Statistics
from watchfleet.clock import utcnow
from watchfleet.db.cache import open_cache
from watchfleet.db.engine import transaction
from watchfleet.notify import circuits
from watchfleet.probes.health import Grade
from watchfleet.probes.targets import get_targets
from watchfleet.settings import get_settings
from watchfleet.web import families, query_families
from watchfleet.web.health import EXTENSION as MONITOR
from watchfleet.web.monitor import Monitor
from watchfleet.web.snapshot import Snapshot

EXTENSION: Final = "watchfleet_registry"
RENEWED_EVERY: Final = 3.0
QUERIES_RENEWED_EVERY: Final = 15.0
PATIENCE: Final = 2.0
KEPT_SECONDS: Final = 60.0
"""How old the store's totals may be before they are left out: absent is better than wrong."""

metrics = Blueprint("metrics", __name__)


@metrics.record_once
def _prepare(state: BlueprintSetupState) -> None:
    monitor = state.app.extensions.setdefault(MONITOR, Monitor())
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FleetCollector(monitor))
    ProcessCollector(registry=registry)
    state.app.extensions[EXTENSION] = registry


@metrics.get("/metrics")
def show() -> Response:
    """Everything, in the format that the Accept header asks for."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    response = Response(encode(current_app.extensions[EXTENSION]), content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    return response


class FleetCollector(Collector):
    """Reads the fleet's health and its store, each at most every few seconds and neither for long.

    A store that is away or hangs costs its own metrics and nothing else.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._store = Snapshot(_read_store, fresh=RENEWED_EVERY, usable=RENEWED_EVERY)
        self._queries = Snapshot(_read_queries, fresh=QUERIES_RENEWED_EVERY, usable=KEPT_SECONDS)
        self._circuits = [
            Snapshot(read, fresh=RENEWED_EVERY, usable=RENEWED_EVERY)
            for read in (_read_breakers, _read_channels)
        ]

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        now = time.time()
        yield InfoMetricFamily("watchfleet_build", "What runs here", {"version": __version__})
        yield _flag("watchfleet_broken_targets", "Faults of targets that are not probed", _broken())
        yield from self._health(now)
        yield from self._totals()
        yield from families.of_breakers(self._standing(), now)
        queries = self._queries.get(PATIENCE)
        if queries is not None and queries.age <= KEPT_SECONDS:
            yield from query_families.of_load(queries.value)

    def _health(self, now: float) -> Iterator[Metric]:
        found = self._monitor.health()
        yield _flag("watchfleet_cache_up", "Whether the shared cache answers", bool(found and found.cache_up))
        ready = found is not None and found.grade(now) is not Grade.FAIL
        yield _flag("watchfleet_ready", "Whether every required dependency serves", ready)
        if found is not None:
            yield from families.of_checks(found.checks, now)

    def _standing(self) -> Iterator[Statistics]:
        for reading in [one.get(PATIENCE) for one in self._circuits]:
            if reading is not None and reading.age <= KEPT_SECONDS:
                yield from reading.value

    def _totals(self) -> Iterator[Metric]:
        reading = self._store.get(PATIENCE)
        current = reading is not None and reading.age <= RENEWED_EVERY + PATIENCE
        yield _flag("watchfleet_store_up", "Whether the store answers", current)
        if reading is not None and reading.age <= KEPT_SECONDS:
            yield from families.of_store(reading.value)


def _read_store() -> families.StoreTotals:
    with transaction() as connection:
        return families.read_store(connection, utcnow())


def _read_breakers() -> list[Statistics]:
    if get_settings().cache_url is None:
        return []
    with closing(open_cache(PATIENCE)) as cache:
        return statistics.read(cache)


def _read_channels() -> list[Statistics]:
    with transaction() as connection:
        return circuits.read(connection, utcnow())


def _read_queries() -> query_families.Load:
    with transaction() as connection:
        return query_families.read_load(connection, utcnow())


def _broken() -> int:
    return len(get_targets().problems)


def _flag(name: str, help_text: str, value: float) -> Metric:
    return families.gauge(name, help_text, [({}, float(value))])
