"""Request metrics by Flask's own signals: how many, how they ended, how long they took."""

import time
from typing import Any, Final

from flask import Flask, Response, request, request_finished, request_started

from watchfleet.instrument.faults import guarded
from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.vitals import vitals
from watchfleet.model import Kind

_STARTED: Final = "watchfleet.started"
_METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}


def install(app: Flask) -> None:
    """Connect to the signals of one application; a second call changes nothing."""
    request_started.connect(_started, app, weak=False)
    request_finished.connect(_finished, app, weak=False)


@guarded("flask.started")
def _started(_: Flask, **__: Any) -> None:
    request.environ[_STARTED] = time.perf_counter()


@guarded("flask.finished")
def _finished(_: Flask, response: Response, **__: Any) -> None:
    client = lifetime.client
    if client is None:
        return
    # What a caller may write at will is no label: unknown paths and methods share one.
    route = request.url_rule.rule if request.url_rule else "unmatched"
    method = request.method if request.method in _METHODS else "other"
    client.count(
        client.series(
            "http_requests_total", Kind.EVENT, method=method, route=route, status=str(response.status_code)
        )
    )
    started = request.environ.get(_STARTED)
    if started is not None:
        series = client.series("http_request_duration_seconds", Kind.DURATION, method=method, route=route)
        client.observe(series, time.perf_counter() - started)
    vitals.worked(route)
