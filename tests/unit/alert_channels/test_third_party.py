"""A channel of another distribution, found by its entry point."""

from collections.abc import Iterator
from typing import Any, Self

import pytest
from support.messages import firing

import alert_channels
from watchfleet import fleet
from watchfleet.model import Destination, Message, Receipt
from watchfleet.notify import receivers as models
from watchfleet.notify.policy import receivers
from watchfleet.notify.receivers import ChannelConfig
from watchfleet.settings import Settings


class PagerConfig(ChannelConfig):
    number: str


class PagerChannel:
    config = PagerConfig

    def __init__(self, number: str) -> None:
        self.number = number

    @classmethod
    def from_config(cls, config: PagerConfig, settings: Settings) -> Self:
        return cls(config.number)

    def send(self, message: Message) -> Receipt:
        return Receipt(f"{self.number} rang for {message.name}")


class Point:
    name = "pager"

    def load(self) -> type[PagerChannel]:
        return PagerChannel


def points(*, group: str, name: str = "pager") -> list[Point]:
    return [Point()] if (group, name) == ("watchfleet.channels", "pager") else []


CACHES: tuple[Any, ...] = (
    fleet.channel_names,
    models.config_of,
    models._usable,
    models._model,
    alert_channels.load,
)


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for cache in CACHES:
        cache.cache_clear()
    for module in (fleet, models, alert_channels):
        monkeypatch.setattr(module, "entry_points", points)
    yield
    for cache in CACHES:
        cache.cache_clear()


@pytest.mark.usefixtures("_installed")
def test_it_has_a_queue_an_entry_in_receivers_and_a_sender() -> None:
    assert "watchfleet.alerts.pager" in fleet.queue_names()
    notify = {
        "route": {"receiver": "ops"},
        "receivers": [{"name": "ops", "pager_configs": [{"number": "112"}, {"number": "110"}]}],
    }
    settings = Settings(notify=notify)
    found = receivers(settings).by_name["ops"].destinations()
    assert found == (Destination("pager", "ops", 0), Destination("pager", "ops", 1))
    receipt = alert_channels.sender(found[1], settings).send(firing())
    assert receipt.answer == "110 rang for DependencyDown"
