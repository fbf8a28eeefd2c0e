"""The watchdog pings only while all is well, whatever is wrong."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, text
from support.messages import firing
from support.outbox_rows import add
from support.receivers import Answer, HttpReceiver, http_receiver
from support.servers import use_environment, wait_until

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.db.tables import outbox
from watchfleet.notify.watchdog import Watchdog
from watchfleet.settings import Settings


@pytest.fixture
def switch(environment: pytest.MonkeyPatch) -> Iterator[HttpReceiver]:
    with transaction() as connection:
        connection.execute(
            text("INSERT INTO beat_leader (id, epoch, holder, ticked_at) VALUES (1, 1, 'beat', now())")
        )
    with http_receiver() as receiver:
        yield receiver


def watchdog(switch: HttpReceiver, period: float = 30) -> Watchdog:
    return Watchdog(Settings(dead_mans_switch_url=switch.url), period)


def test_all_is_well(switch: HttpReceiver) -> None:
    add(firing(), now=utcnow() - timedelta(seconds=30))
    assert watchdog(switch).check() == ""
    assert len(switch.requests) == 1


def test_a_notification_that_nobody_sends_stops_the_pings(switch: HttpReceiver) -> None:
    add(firing(), now=utcnow() - timedelta(seconds=90))
    assert "due for 9" in watchdog(switch).check()
    assert switch.requests == []


def test_a_notification_that_vanished_stops_them(switch: HttpReceiver) -> None:
    add(firing())
    with transaction() as connection:
        connection.execute(delete(outbox))
    assert "1 notifications are unaccounted for" in watchdog(switch).check()
    assert switch.requests == []


def test_a_beat_that_is_silent_stops_them(switch: HttpReceiver) -> None:
    with transaction() as connection:
        connection.execute(text("UPDATE beat_leader SET ticked_at = now() - interval '40 s'"))
    assert "silent for 40 s" in watchdog(switch).check()
    with transaction() as connection:
        connection.execute(text("DELETE FROM beat_leader"))
    assert watchdog(switch).check() == "no beat has ever led here"
    assert switch.requests == []


def test_a_store_that_is_away_stops_them(
    switch: HttpReceiver, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use_environment(environment, DATABASE_URL="postgresql://u:geheim-42@127.0.0.1:1/none")
    watched = watchdog(switch)
    assert watched.check().startswith("the store cannot be read: StoreUnavailableError")
    watched.check()
    assert switch.requests == []
    assert len(caplog.records) == 1, "the same is said once"
    assert "geheim-42" not in caplog.text


def test_a_switch_that_is_away_is_no_fault_of_the_fleet(
    switch: HttpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    switch.answers.append(Answer(500))
    assert watchdog(switch).check() == ""
    assert "could not be reached" in caplog.text


def test_it_looks_again_and_again_until_it_is_stopped(switch: HttpReceiver) -> None:
    watched = watchdog(switch, period=0.05)
    watched.start()
    wait_until(lambda: len(switch.requests) >= 3)
    watched.stop()
    assert not watched._thread.is_alive()
