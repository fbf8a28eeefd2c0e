"""The client's message is what the fleet's worker takes, on the queue that the fleet declares."""

import json
import runpy
from typing import Any

import pytest
from support.servers import ROOT, use_environment

from watchfleet import fleet
from watchfleet.instrument.shipping import AMQP_SCHEMES, REDIS_SCHEMES, Broker, headers, queue
from watchfleet.settings import Settings


def fleets_queue(monkeypatch: pytest.MonkeyPatch, url: str) -> Any:
    use_environment(monkeypatch, BROKER_URL=url, REDIS_URL="redis://127.0.0.1:1/0")
    queues = runpy.run_path(str(ROOT / "celeryconfig.py"))["task_queues"]
    return next(declared for declared in queues if declared.name == fleet.INGEST_QUEUE)


@pytest.mark.parametrize("url", ["amqp://guest:guest@127.0.0.1:1//", "redis://127.0.0.1:1/0"])
def test_whoever_declares_the_queue_first_declares_the_same(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """RabbitMQ refuses a queue that exists with other properties: neither side could ever start."""
    ours, theirs = queue(Broker(url)), fleets_queue(monkeypatch, url)
    for name in ("name", "durable", "exclusive", "auto_delete", "queue_arguments", "max_length", "expires"):
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize("scheme", [*AMQP_SCHEMES, *REDIS_SCHEMES])
def test_every_broker_that_the_client_takes_is_one_for_the_fleet(scheme: str) -> None:
    url = f"{scheme}host/0"
    assert Settings(broker_url=url).broker_url is not None
    assert Broker(url).usable


@pytest.mark.parametrize("url", ["memory://", "sqs://", "filesystem://", ""])
def test_other_brokers_are_refused(url: str) -> None:
    assert not Broker(url).usable


def test_what_events_show_of_a_batch_is_its_id_and_size() -> None:
    shown = headers("0123abcd", 42)
    assert shown["argsrepr"] == "('0123abcd', <42 rows>)"
    assert len(json.dumps(shown)) < 600
    assert shown["id"] == "0123abcd"


def test_a_broker_hides_its_password() -> None:
    assert "hunter2" not in repr(Broker("redis://:hunter2@host/0"))
