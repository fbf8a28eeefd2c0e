"""The web process's application."""

from flask import Flask, Response

from watchfleet.web.alertmanager_api import WAKE, Wake
from watchfleet.web.alertmanager_api import api as alertmanager
from watchfleet.web.budgets import api as budgets
from watchfleet.web.durations import measure
from watchfleet.web.health import EXTENSION, health
from watchfleet.web.logs import create_logs
from watchfleet.web.memory import api as memory
from watchfleet.web.metrics import EXTENSION as REGISTRY
from watchfleet.web.metrics import metrics
from watchfleet.web.metrics_api import api as metrics_api
from watchfleet.web.monitor import Monitor
from watchfleet.web.notifications import api as notifications
from watchfleet.web.pages import pages
from watchfleet.web.ping import pings
from watchfleet.web.probes import api as probes
from watchfleet.web.prometheus_api import api as prometheus
from watchfleet.web.queries import api as queries
from watchfleet.web.remote_write import receiver
from watchfleet.web.rules import api as rules
from watchfleet.web.stats import api as stats
from watchfleet.web.status import status
from watchfleet.web.trends import api as trends


def create_app(monitor: Monitor | None = None, wake: Wake | None = None) -> Flask:
    """An application that serves the fleet's health, its metrics and its pages.

    Args:
        monitor: Where health is known from; by default a monitor of the application's own.
        wake: Has the channels of these names send what is due, and returns at once; by default the
            dispatcher does.
    """
    app = Flask("watchfleet", static_folder=None, template_folder=None)
    app.extensions[EXTENSION] = monitor or Monitor()
    app.extensions[WAKE] = wake
    apis = (
        alertmanager,
        budgets,
        memory,
        metrics_api,
        notifications,
        probes,
        prometheus,
        queries,
        receiver,
        rules,
        stats,
        trends,
    )
    for blueprint in (health, metrics, pages, pings, status, *apis):
        app.register_blueprint(blueprint)
    app.register_blueprint(create_logs())
    app.after_request(_harden)
    measure(app, app.extensions[REGISTRY])
    return app


def _harden(response: Response) -> Response:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
