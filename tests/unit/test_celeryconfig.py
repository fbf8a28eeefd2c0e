"""The configuration is Celery's: every name exists, every value says more than the default."""

import ast
import runpy
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from amqp import Connection as AmqpConnection
from celery.app.defaults import DEFAULTS
from kombu.transport.redis import Channel as RedisChannel
from support.servers import ROOT, forget_environment, use_environment

PATH = ROOT / "celeryconfig.py"
BROKERS = {"redis": "redis://127.0.0.1:6379/0", "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//"}
SAID_ALTHOUGH_DEFAULT = {"accept_content"}


@pytest.fixture(params=list(BROKERS))
def broker(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def config(broker: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The configuration's values for one broker."""
    use_environment(monkeypatch, BROKER_URL=BROKERS[broker], REDIS_URL=BROKERS["redis"])
    yield runpy.run_path(str(PATH))
    forget_environment()


def names() -> set[str]:
    """What `celeryconfig.py` sets."""
    targets = [
        target
        for node in ast.walk(ast.parse(PATH.read_text()))
        if isinstance(node, ast.Assign)
        for target in node.targets
    ]
    return {one.id for one in targets if isinstance(one, ast.Name) and not one.id.startswith("_")}


def test_every_name_is_a_setting_of_celery():
    assert names() - set(DEFAULTS) == set()


def test_every_value_differs_from_the_default(config: dict[str, Any]):
    same = {name for name in names() if config[name] == DEFAULTS[name]}
    assert same - SAID_ALTHOUGH_DEFAULT <= {"task_default_queue_type", "task_create_missing_queue_type"}


def test_transport_options_exist(broker: str, config: dict[str, Any]):
    options = set(config["broker_transport_options"])
    if broker == "redis":
        assert options - set(RedisChannel.from_transport_options) == set()
    else:
        assert options <= set(AmqpConnection.__init__.__code__.co_varnames)


def test_only_json_is_accepted(config: dict[str, Any]):
    assert config["accept_content"] == ["json"]


def test_queues_are_of_the_kind_that_the_broker_keeps_best(broker: str, config: dict[str, Any]):
    expected = None if broker == "redis" else {"x-queue-type": "quorum"}
    assert {str(queue.queue_arguments) for queue in config["task_queues"]} == {str(expected)}


def test_a_message_stays_hidden_while_it_waits_for_another_and_runs():
    config = runpy.run_path(str(PATH))
    assert config["broker_transport_options"]["visibility_timeout"] > 2 * config["task_time_limit"]
    assert config["task_soft_time_limit"] < config["task_time_limit"]


def test_a_period_can_be_set_by_the_environment(monkeypatch: pytest.MonkeyPatch):
    use_environment(monkeypatch, SCHEDULES='{"watchfleet.rules.evaluate": "1m"}')
    entry = runpy.run_path(str(PATH))["beat_schedule"]["watchfleet.rules.evaluate"]
    forget_environment()
    assert entry["schedule"] == timedelta(minutes=1)
    assert entry["options"]["expires"] == 60.0
