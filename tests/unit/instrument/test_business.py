"""What scrapers say is recorded as it was said."""

import time

import pytest
from celery.utils.dispatch import Signal

from watchfleet import signals
from watchfleet.instrument import business
from watchfleet.instrument.client import Client
from watchfleet.instrument.faults import faults
from watchfleet.model import Event, Kind, Sample


@pytest.fixture(autouse=True)
def _connected() -> None:
    business.install()
    business.install()


def test_an_account_signal_is_one_event(client: Client) -> None:
    """Also after two calls: an event counted twice would be worse than none."""
    signals.scrape_failed.send(
        None, platform="instagram", account="bob", group="g", at=1700000000, reason="login_wall", duration=2
    )
    assert client.buffer.cut(9).events == [
        Event(
            "scrape_failed", 1700000000.0, "instagram", "bob", "g", {"reason": "login_wall", "duration": 2.0}
        )
    ]


def test_an_event_without_a_time_is_of_now(client: Client) -> None:
    before = time.time()
    signals.account_scraped.send(None, platform="instagram", account="bob")
    (event,) = client.buffer.cut(9).events
    assert before <= event.ts <= time.time()
    assert event.group is None


def test_a_business_metric_is_a_sample_of_this_service(client: Client) -> None:
    signals.business_metric.send(None, name="proxy_cost_usd", value=1, kind="event", labels={"a": "b"}, at=5)
    signals.business_metric.send(None, name="proxies", value=7, at=6)
    assert client.buffer.cut(9).samples == [
        Sample("proxy_cost_usd", {"service": "app", "a": "b"}, Kind.EVENT, 5.0, 1.0),
        Sample("proxies", {"service": "app"}, Kind.GAUGE, 6.0, 7.0),
    ]


def test_a_bad_field_is_counted_and_logged_once(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    faults._logged.clear()
    for _ in range(3):
        signals.account_scraped.send(None, platform="x", account="a", duration="fast")
    assert [event.fields for event in client.buffer.cut(9).events] == [{}, {}, {}]
    assert faults.take() == {"signals": 3}
    assert caplog.text.count("the field duration is left out") == 1


def test_an_event_that_cannot_be_used_is_counted_and_not_raised(client: Client) -> None:
    assert signals.account_scraped.send(None, platform="x")[0][1] is None
    assert client.buffer.empty()
    assert faults.take() == {"signals": 1}


def test_another_receivers_error_reaches_neither_the_sender_nor_us(client: Client) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError

    signals.content_found.connect(broken)
    try:
        signals.content_found.send(None, platform="x", account="a", count=2, kind="post")
    finally:
        signals.content_found.disconnect(broken)
    assert len(client.buffer.cut(9).events) == 1


def test_a_signal_that_nobody_listens_to_does_nothing() -> None:
    assert Signal(name="account_scraped").send(None, anything=object()) == []
