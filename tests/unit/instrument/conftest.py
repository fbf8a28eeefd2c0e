"""A client of the test's own whose rows stay in its buffer."""

import logging
from collections.abc import Iterator
from math import inf

import pytest
from celery import signals
from celery.utils.dispatch import Signal
from flask import Flask
from requests import Session

from watchfleet.errors import ConfigError
from watchfleet.instrument.client import Client
from watchfleet.instrument.faults import faults
from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.shipping import Broker
from watchfleet.instrument.vitals import vitals


def _no_broker() -> Broker:
    raise ConfigError("these rows are read by the test")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """This process's client for the time of the test; ships nothing before its end."""
    own = Client("app", _no_broker, flush_interval=3600)
    monkeypatch.setattr(lifetime, "client", own)
    faults.take()
    yield own
    assert own.close(5)


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the suite has been running, no sample of the process is due in the test."""
    monkeypatch.setattr(vitals, "_due", inf)


@pytest.fixture(autouse=True)
def hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `instrument` wraps of its hosts is unwrapped at the end of the test."""
    monkeypatch.setattr(Flask, "__call__", Flask.__call__)
    monkeypatch.setattr(Session, "send", Session.send)
    monkeypatch.setattr(logging.Logger, "handle", logging.Logger.handle)
    for signal in vars(signals).values():
        if isinstance(signal, Signal):
            monkeypatch.setattr(signal, "receivers", [*signal.receivers])
