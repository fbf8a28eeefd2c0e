"""How long the web process takes for its requests, with an example of each bucket that can be looked up.

The examples are exemplars: OpenMetrics has them, Prometheus's older text format does not.
"""

import time
from typing import Final

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Histogram

from watchfleet import correlation

_BEGUN: Final = "_watchfleet_begun"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def measure(app: Flask, registry: CollectorRegistry) -> None:
    """Have every request of an application measured.

    Args:
        app: The application.
        registry: Where the metric is shown from.
    """
    seconds = Histogram(
        "watchfleet_http_request_duration_seconds",
        "How long the web process took for a request",
        ("method", "route", "status"),
        registry=registry,
    )

    def begin() -> None:
        setattr(g, _BEGUN, time.perf_counter())

    def end(response: Response) -> Response:
        begun = g.pop(_BEGUN, None)
        if begun is not None:  # what comes before us may answer itself
            labels = (_method(), _route(), str(response.status_code))
            seconds.labels(*labels).observe(time.perf_counter() - begun, correlation.exemplar())
        return response

    app.before_request(begin)
    app.after_request(end)


def _method() -> str:
    return request.method if request.method in _METHODS else "other"


def _route() -> str:
    return request.url_rule.rule if request.url_rule else "unmatched"
