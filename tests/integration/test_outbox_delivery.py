"""Deliveries out of the outbox to a real receiver, through kills, races and broken connections."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from threading import Barrier

import pytest
from sqlalchemy import text, update
from support.messages import AT, firing, resolved
from support.outbox_rows import add, rows, states
from support.receivers import Answer, HttpReceiver, http_receiver
from support.servers import ROOT, wait_until

import alert_channels
from watchfleet.db.engine import create, database_url, transaction
from watchfleet.db.tables import outbox as table
from watchfleet.model import Message, Receipt
from watchfleet.notify.deliver import Means, Senders, drain
from watchfleet.notify.policy import receivers
from watchfleet.notify.sweeper import sweep
from watchfleet.settings import Settings

pytestmark = pytest.mark.usefixtures("environment")
DELIVER = "from tasks.alerts import DELIVER; print(DELIVER['webhook']())"


def at(seconds: float = 0) -> datetime:
    return AT + timedelta(seconds=seconds)


def means(settings: Settings, at: Callable[[], datetime] = at, senders: Senders | None = None) -> Means:
    """What delivers for the settings, at the time that `at` gives."""
    usual = partial(alert_channels.sender, settings=settings)
    return Means(senders or usual, receivers(settings), lambda _: at())


def to(receiver: HttpReceiver, at: Callable[[], datetime] = at) -> Means:
    return means(Settings(alert_webhook_url=receiver.url), at)


def statuses(receiver: HttpReceiver) -> list[str]:
    return [request.json["status"] for request in receiver.requests]


def test_a_drain_sends_firing_and_then_resolved_and_keeps_the_receipts() -> None:
    add(firing())
    add(resolved())
    with http_receiver() as receiver:
        done = drain("webhook", to(receiver))
        assert statuses(receiver) == ["firing", "resolved"]
    assert (done.sent, done.retried, done.dead, done.more) == (2, 0, 0, False)
    assert [row.receipt["answer"] for row in rows()] == ["200 OK", "200 OK"]
    assert [row.receipt["extra"]["body"] for row in rows()] == ["ok", "ok"]


def test_an_outage_delays_and_a_refusal_ends_a_notification() -> None:
    add(firing())
    add(firing(fingerprint="0123456789abcdef"))
    with http_receiver() as receiver:
        receiver.answers += [Answer(503), Answer(404, body=b"gone")]
        done = drain("webhook", to(receiver))
        assert (done.sent, done.retried, done.dead) == (0, 1, 1)
        waiting, dead = rows()
        assert (waiting.state, waiting.reason, dead.state, dead.reason) == (
            "retry",
            "http_503",
            "dead",
            "http_404",
        )
        assert dead.last_error == "http_404: 404 Not Found gone"
        assert drain("webhook", to(receiver, lambda: at(2))).sent == 1


def test_two_drains_at_once_send_everything_once() -> None:
    for number in range(30):
        add(firing(fingerprint=f"{number:016x}"))
    ready = Barrier(2)
    with http_receiver() as receiver:

        def race(_: int) -> int:
            ready.wait()
            return drain("webhook", to(receiver)).sent

        with ThreadPoolExecutor(2) as pool:
            counts = list(pool.map(race, range(2)))
        names = [request.headers["webhook-id"] for request in receiver.requests]
    assert sum(counts) == len(names) == len(set(names)) == 30
    assert set(states()) == {"sent"}


def test_a_worker_that_is_killed_while_it_sends_loses_nothing_and_keeps_the_order(
    environment: pytest.MonkeyPatch,
) -> None:
    add(firing())
    add(resolved())
    with http_receiver() as receiver:
        receiver.answers.append(Answer(hang=True))
        command = [sys.executable, "-c", DELIVER]
        variables = {**os.environ, "ALERT_WEBHOOK_URL": receiver.url}
        with subprocess.Popen(command, cwd=ROOT, env=variables) as worker:
            wait_until(lambda: len(receiver.requests) == 1)
            worker.kill()
        (held, _) = rows()
        assert (held.state, held.attempts) == ("sending", 1)
        assert drain("webhook", to(receiver, lambda: held.leased_until)).sent == 0
        with transaction() as connection:
            late = held.leased_until + timedelta(seconds=1)
            assert sweep(connection, receivers(Settings()), late) == ("webhook",)
        assert drain("webhook", to(receiver, lambda: late)).sent == 2
        assert statuses(receiver) == ["firing", "firing", "resolved"]
        first, second, _ = (request.headers["webhook-id"] for request in receiver.requests)
        assert first == second


class Cutter:
    """A channel that delivers while an administrator ends every connection of the database."""

    def send(self, message: Message) -> Receipt:
        administrator = create(database_url())
        with administrator.begin() as connection:
            others = "pid <> pg_backend_pid() AND datname = current_database()"
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
        administrator.dispose()
        return Receipt("taken")


def test_an_outcome_survives_the_loss_of_the_connection() -> None:
    add(firing())
    assert drain("webhook", means(Settings(), senders=lambda _: Cutter())).sent == 1
    assert states() == ["sent"]


class Broken:
    def send(self, message: Message) -> Receipt:
        raise KeyError("a bug")


def test_a_channel_with_a_bug_ends_in_a_recorded_retry() -> None:
    add(firing())
    assert drain("webhook", means(Settings(), senders=lambda _: Broken())).retried == 1
    (row,) = rows()
    assert (row.state, row.reason) == ("retry", "channel_failed")
    assert "KeyError" in row.last_error


def test_a_row_that_cannot_be_read_is_given_up_and_holds_up_nobody() -> None:
    add(firing())
    add(firing(fingerprint="0123456789abcdef"))
    with transaction() as connection:
        connection.execute(update(table).where(table.c.id == rows()[0].id).values(message={"v": 2}))
    with http_receiver() as receiver:
        done = drain("webhook", to(receiver))
    assert (done.sent, done.dead) == (1, 1)
    assert [row.reason for row in rows()] == ["message_unreadable", "delivered"]


def test_what_waits_for_a_channel_that_was_switched_off_is_given_up_visibly() -> None:
    add(firing(), ["slack"])
    assert drain("slack", means(Settings())).dead == 1
    (row,) = rows()
    assert row.reason == "channel_off"
    assert "SLACK_WEBHOOK_URL" in row.last_error


def test_a_drain_that_reaches_its_limit_asks_to_be_woken_again() -> None:
    for number in range(3):
        add(firing(fingerprint=f"{number:016x}"))
    with http_receiver() as receiver:
        done = drain("webhook", to(receiver), limit=2)
    assert (done.sent, done.more) == (2, True)
