"""The one call by which an application joins the fleet."""

import os
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from watchfleet.errors import ConfigError
from watchfleet.instrument import business, tracing
from watchfleet.instrument.client import Client
from watchfleet.instrument.faults import faults
from watchfleet.instrument.hosts import is_instance, join
from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.shipping import Broker

DISABLED: Final = "WATCHFLEET_DISABLED"
SPOOL: Final = "WATCHFLEET_SPOOL_DIR"
_BROKER_VARIABLES: Final = ("WATCHFLEET_BROKER_URL", "BROKER_URL")


def instrument(
    app: Any = None,
    *,
    service: str | None = None,
    broker_url: str | None = None,
    engine: Any = None,
    exporters: Iterable[str] | str | None = None,
    otlp_endpoint: str | None = None,
    buffer_size: int = 20_000,
    flush_interval: float = 1.0,
    timeout: float = 5.0,
    spool_dir: str | Path | None = None,
    spool_bytes: int = 256 << 20,
    heartbeats: Mapping[str, str] | None = None,
) -> Client:
    """Have this application report to the fleet. Call it where the application is made, as often as you like.

    Tasks are measured by Celery's signals, requests by Flask's, statements by SQLAlchemy's events, and what
    is sent through `watchfleet.signals` is recorded. One correlation id goes from a request through all its
    tasks, their log records and what they ask of others (`watchfleet.correlation`). With an OTLP endpoint, or
    where the application has set up OpenTelemetry itself, all of them have spans; that needs the extra
    `watchfleet[tracing]`. Nothing is opened and no thread started before the first record. It never raises:
    what goes wrong is counted, and logged once by `watchfleet.instrument`.

    `WATCHFLEET_DISABLED=1` makes it do nothing, for a test suite.

    Args:
        app: A Flask or a Celery application, or an SQLAlchemy engine. Of what is not named and imported
            already, all is taken: every Flask application, every engine, and what `requests` sends.
        service: The application's name, a label of whatever it reports; by default `OTEL_SERVICE_NAME`, then
            the name of `app`, then that of the program. The first call decides.
        broker_url: The fleet's broker; by default `WATCHFLEET_BROKER_URL`, then `BROKER_URL` (or the file
            that either with `_FILE` appended names), then the broker of a Celery `app`.
        engine: An SQLAlchemy engine, the only one whose statements are measured.
        exporters: Where spans go: `otlp`, `console`, `none`, or any that is installed, several at once. By
            default what `OTEL_TRACES_EXPORTER` says, else `otlp` if there is an endpoint. The first call
            that says where decides.
        otlp_endpoint: Where OTLP is spoken, such as `http://collector:4318`; by default
            `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTLP_ENDPOINT`, then `OTEL_EXPORTER_OTLP_ENDPOINT`.
        buffer_size: How many rows are kept while the broker does not answer; beyond it the oldest are
            dropped, which `watchfleet_client_dropped_total` tells. The first call decides.
        flush_interval: Seconds after which a record is shipped at the latest. The first call decides.
        timeout: Seconds that the broker gets for each step. The first call decides.
        spool_dir: A folder for rows that are not shipped yet, by default `WATCHFLEET_SPOOL_DIR`. With it,
            nothing is lost when a process is killed: the next one that reports ships what it left. Any
            processes of the machine may share it. Without it, rows wait in memory. The first call decides.
        spool_bytes: How much may be in that folder; beyond it the oldest rows are dropped, and told of.
        heartbeats: The address of the heartbeat that a Celery task pings when it begins and ends, by the
            task's name.

    Returns:
        The client, whose `flush()` waits until everything recorded is with the broker.
    """
    client = lifetime.start(
        service or _service_name(app),
        brokers.find,
        capacity=buffer_size,
        flush_interval=flush_interval,
        timeout=timeout,
        spool_dir=spool_dir or os.environ.get(SPOOL) or None,
        spool_bytes=spool_bytes,
    )
    if os.environ.get(DISABLED, "").lower() in {"1", "true", "yes", "on"}:
        return client
    if broker_url:
        brokers.explicit = broker_url
    if is_instance(app, "celery", "Celery"):
        brokers.celery_app = app
    try:
        client.turn_on()
        business.install()
        traced = tracing.start(client.service, exporters=exporters, endpoint=otlp_endpoint)
        join(app, engine, traced=traced)
        if heartbeats:
            import_module("watchfleet.instrument.heartbeat").follow(heartbeats)
    except Exception as error:  # noqa: BLE001 - the host must not suffer from any fault of ours
        faults.note("instrument", type(error).__name__, error)
    return client


def _service_name(app: Any) -> str:
    own = None
    if is_instance(app, "celery", "Celery"):
        own = app.main
    elif is_instance(app, "flask", "Flask"):
        own = app.name
    return tracing.service_name(os.environ) or own or Path(sys.argv[0]).stem or "python"


class Brokers:
    """Every place that may tell where the fleet's broker is.

    Asked when the first batch is to be shipped: a Celery application's configuration is complete by then,
    and reading it any earlier would complete it too soon.
    """

    def __init__(self) -> None:
        self.explicit: str | None = None
        self.celery_app: Any = None

    def find(self) -> Broker:
        """The fleet's broker.

        Raises:
            ConfigError: Nothing tells, or the fleet cannot run on what is told.
        """
        broker = self._told()
        if broker is None:
            raise ConfigError("no broker of a fleet is known", mend="set WATCHFLEET_BROKER_URL")
        if not broker.usable:
            raise ConfigError(
                f"a fleet does not run on a broker of the kind {broker.url.partition('://')[0]}",
                mend="set WATCHFLEET_BROKER_URL to its Redis or RabbitMQ",
            )
        return broker

    def _told(self) -> Broker | None:
        url = self.explicit or next(filter(None, map(from_environment, _BROKER_VARIABLES)), None)
        if url:
            return Broker(url)
        return None if self.celery_app is None else _of_celery(self.celery_app)


def _of_celery(app: Any) -> Broker | None:
    url = app.conf.broker_write_url or app.conf.broker_url
    joined = url if isinstance(url, str) else ";".join(url or ())
    return Broker(joined, app.conf.broker_use_ssl or None) if joined else None


def from_environment(name: str) -> str | None:
    """A variable's value, or the content of the file that `NAME_FILE` names.

    Raises:
        ConfigError: The file cannot be read.
    """
    path = os.environ.get(f"{name}_FILE")
    if os.environ.get(name) or not path:
        return os.environ.get(name)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{name}_FILE={path}: {error.strerror}", mend="make the file readable") from error


brokers = Brokers()
"""Where this process looks for the fleet's broker."""
