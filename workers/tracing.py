"""The fleet's own correlation ids, and its spans when OTLP_ENDPOINT says where they go."""

import os
from typing import TYPE_CHECKING, Any

from celery import signals

from watchfleet.instrument import tracing
from watchfleet.instrument.correlation import celery
from watchfleet.settings import get_settings

if TYPE_CHECKING:
    from flask import Flask  # only the web process has need of it, and every process imports this module


def trace_web(app: "Flask") -> None:
    """Make spans of the web process's requests and statements."""
    if _start("web"):
        tracing.install("flask", app)


def _start(role: str) -> bool:
    service = tracing.service_name(os.environ) or f"watchfleet-{role}"
    traced = tracing.start(service, endpoint=get_settings().otlp_endpoint)
    for library in ("celery", "sqlalchemy") if traced else ():
        tracing.install(library)
    celery.install()  # after the spans: a new id is that of the trace
    return traced


def _start_worker(sender: str, **_: Any) -> None:
    # Before the pool forks. Threads and connections are made by the first span of each process.
    _start(sender.partition("@")[0])


def _start_beat(**_: Any) -> None:
    _start("beat")


signals.celeryd_init.connect(_start_worker)
signals.beat_init.connect(_start_beat)
