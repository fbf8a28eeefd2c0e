"""`watchfleet.instrument()` finds its broker and its name, and lets nothing out that goes wrong."""

from pathlib import Path

import pytest
from celery import Celery
from flask import Flask

import watchfleet
from watchfleet.errors import ConfigError
from watchfleet.instrument.client import Client
from watchfleet.instrument.entry import Brokers, instrument
from watchfleet.instrument.faults import faults
from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.shipping import Broker

VARIABLES = ("WATCHFLEET_BROKER_URL", "BROKER_URL", "WATCHFLEET_BROKER_URL_FILE", "BROKER_URL_FILE")


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return Brokers()


def test_an_argument_wins_over_a_variable_and_a_variable_over_the_application(
    brokers: Brokers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    brokers.celery_app = Celery(broker="redis://app/0", set_as_current=False)
    assert brokers.find() == Broker("redis://app/0")
    monkeypatch.setenv("BROKER_URL", "redis://common/0")
    assert brokers.find() == Broker("redis://common/0")
    secret = tmp_path / "secret"
    secret.write_text("redis://file/0\n", encoding="utf-8")
    monkeypatch.setenv("WATCHFLEET_BROKER_URL_FILE", str(secret))
    assert brokers.find() == Broker("redis://file/0")
    monkeypatch.setenv("WATCHFLEET_BROKER_URL", "redis://own/0")
    assert brokers.find() == Broker("redis://own/0")
    brokers.explicit = "redis://argument/0"
    assert brokers.find() == Broker("redis://argument/0")


def test_an_applications_several_brokers_and_tls_are_kept(brokers: Brokers) -> None:
    brokers.celery_app = Celery(set_as_current=False)
    brokers.celery_app.conf.broker_url = ["amqps://a//", "amqps://b//"]
    brokers.celery_app.conf.broker_use_ssl = {"ca_certs": "ca.pem"}
    assert brokers.find() == Broker("amqps://a//;amqps://b//", {"ca_certs": "ca.pem"})


def test_without_a_broker_the_error_says_what_to_set(brokers: Brokers) -> None:
    with pytest.raises(ConfigError, match="set WATCHFLEET_BROKER_URL"):
        brokers.find()


def test_a_test_suites_memory_broker_is_not_filled(brokers: Brokers) -> None:
    brokers.celery_app = Celery(broker="memory://", set_as_current=False)
    with pytest.raises(ConfigError, match="kind memory"):
        brokers.find()


def test_a_secret_file_that_cannot_be_read_is_named(
    brokers: Brokers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BROKER_URL_FILE", str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match=r"BROKER_URL_FILE=.*absent: No such file"):
        brokers.find()


def test_an_applications_configuration_is_not_completed_early() -> None:
    """Reading `app.conf` before the host has set it would freeze what is not there yet."""
    app = Celery("late", set_as_current=False)
    instrument(app)
    assert not app.configured


def test_the_first_call_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, argument, app, name in (
        (None, None, Flask("shop"), "shop"),
        (None, None, Celery("scraper", set_as_current=False), "scraper"),
        ("from-otel", None, Flask("shop"), "from-otel"),
        ("from-otel", "mine", Flask("shop"), "mine"),
    ):
        monkeypatch.setattr(lifetime, "client", None)
        monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
        if variable:
            monkeypatch.setenv("OTEL_SERVICE_NAME", variable)
        assert instrument(app, service=argument).service == name
        assert instrument(app, service="another").service == name


@pytest.mark.parametrize("nonsense", [42, "app", object(), Celery, [Flask("shop")]])
def test_what_is_no_application_is_logged_and_not_raised(
    client: Client, caplog: pytest.LogCaptureFixture, nonsense: object
) -> None:
    faults._logged.clear()
    assert watchfleet.instrument(nonsense) is client
    assert "no Flask or Celery application" in caplog.text
    assert faults.take() == {"instrument": 1}


def test_it_can_be_switched_off_by_a_variable(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHFLEET_DISABLED", "1")
    app = Flask("off")
    instrument(app)
    app.test_client().get("/")
    assert client.buffer.empty()


def test_without_a_broker_nothing_gathers(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Said once; and a later call that knows a broker turns recording on again."""
    instrument()
    watchfleet.signals.followers_counted.send(None, platform="x", account="a", followers=1)
    assert client.flush(5)
    watchfleet.signals.followers_counted.send(None, platform="x", account="a", followers=1)
    assert client.buffer.empty()
    assert caplog.text.count("nothing is recorded") == 1
    instrument()
    watchfleet.signals.followers_counted.send(None, platform="x", account="a", followers=1)
    assert not client.buffer.empty()
