"""The outbox on a real PostgreSQL: order, claims, fences, retries, the sweeper and the accounts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Barrier

import pytest
from pydantic import SecretStr
from support.messages import AT, firing, resolved
from support.outbox_rows import add, enqueue_message, rows, states

from watchfleet.db.engine import transaction
from watchfleet.errors import DeliveryError
from watchfleet.model import Receipt
from watchfleet.notify import outbox, outcomes, retry, sweeper
from watchfleet.notify.accounts import accounting
from watchfleet.notify.message import ANNOTATION_CAP
from watchfleet.notify.outbox import Claim
from watchfleet.notify.policy import receivers
from watchfleet.redact import register
from watchfleet.settings import Settings

pytestmark = pytest.mark.usefixtures("environment")
SENT = retry.delivered(Receipt("200 OK"))
SECOND = timedelta(seconds=1)
EVERYONE = receivers(Settings(alert_webhook_url=SecretStr("http://127.0.0.1:9/")))


def claim(now: datetime = AT, channel: str = "webhook") -> Claim | None:
    with transaction() as connection:
        claimed = outbox.claim(connection, channel, EVERYONE, now, limit=1).claims
        return claimed[0] if claimed else None


def must_claim(now: datetime = AT, channel: str = "webhook") -> Claim:
    claimed = claim(now, channel)
    assert claimed is not None
    return claimed


def record(claimed: Claim, outcome: retry.Outcome = SENT, now: datetime = AT) -> bool:
    with transaction() as connection:
        return claimed.id in outcomes.record(connection, [(claimed, outcome)], EVERYONE, now).ours


def sweep(now: datetime) -> tuple[str, ...]:
    with transaction() as connection:
        return sweeper.sweep(connection, EVERYONE, now)


def failed(claimed: Claim, **error: object) -> retry.Outcome:
    problem = DeliveryError("http_500", **{"permanent": False, **error})  # type: ignore[arg-type] # a test's shorthand
    return retry.failed(problem, claimed.attempts, lambda: 0.5)


# --- writing


def test_a_row_lives_and_dies_with_the_transaction_of_its_event() -> None:
    with transaction() as connection, connection.begin_nested() as savepoint:
        enqueue_message(connection, firing(), ["webhook"], AT)
        savepoint.rollback()
    assert rows() == []


def test_the_same_delivery_is_written_once() -> None:
    add(firing(), ["webhook", "log"])
    add(firing(), ["webhook", "log"])
    assert [row.channel for row in rows()] == ["webhook", "log"]


def test_text_that_postgresql_cannot_keep_is_kept_as_far_as_it_can() -> None:
    add(firing(annotations={"summary": "nul \x00 and surrogate \ud800", "long": "x" * 1_000_000}))
    message = must_claim().message
    (told,) = message.alerts
    assert told.annotations["summary"] == "nul \ufffd and surrogate \ufffd"
    assert len(told.annotations["long"]) == ANNOTATION_CAP


def test_the_message_comes_back_as_it_went_in() -> None:
    add(resolved())
    assert must_claim().message == resolved()


# --- claims


def test_nothing_is_due_for_another_channel() -> None:
    add(firing())
    assert claim(channel="email") is None


def test_a_claimed_row_is_nobody_elses() -> None:
    add(firing())
    must_claim()
    assert claim() is None


def test_of_many_who_claim_at_once_one_gets_the_row() -> None:
    add(firing())
    ready = Barrier(6)

    def race(_: int) -> Claim | None:
        ready.wait()
        return claim()

    with ThreadPoolExecutor(6) as pool:
        won = [claimed for claimed in pool.map(race, range(6)) if claimed]
    assert len(won) == 1


def test_resolved_waits_until_firing_is_finished() -> None:
    add(firing())
    add(resolved())
    first = must_claim()
    assert first.message.status == "firing"
    assert claim() is None
    record(first, failed(first))
    later = AT + SECOND
    again = must_claim(later)
    assert (again.message.status, again.attempts) == ("firing", 2)
    record(again, now=later)
    assert must_claim(later).message.status == "resolved"


def test_resolved_follows_a_firing_that_was_given_up() -> None:
    add(firing())
    add(resolved())
    first = must_claim()
    record(first, failed(first, permanent=True))
    assert must_claim().message.status == "resolved"


def test_one_alert_does_not_wait_for_another() -> None:
    add(firing())
    add(firing(fingerprint="0123456789abcdef"))
    assert {must_claim().message.group_key, must_claim().message.group_key} == {
        firing().group_key,
        "0123456789abcdef",
    }


# --- outcomes


def test_a_receipt_and_an_error_are_redacted_and_kept() -> None:
    register("a-secret-of-the-test")
    add(firing())
    first = must_claim()
    record(first, failed(first, detail="POST https://x/a-secret-of-the-test failed\x00"))
    receipt = Receipt("200 a-secret-of-the-test", "r1", {"list": ["a-secret-of-the-test"], "n": 3})
    record(must_claim(AT + SECOND), retry.delivered(receipt))
    (row,) = rows()
    assert row.receipt == {"answer": "200 ***", "reference": "r1", "extra": {"list": ["***"], "n": 3}}
    assert (row.state, row.attempts, row.last_error, row.finished_at) == ("sent", 2, "", AT)


def test_a_retry_waits_for_the_pause_that_the_receiver_asked_for() -> None:
    add(firing())
    first = must_claim()
    record(first, failed(first, retry_after=60.0))
    assert claim(AT + 60 * SECOND) is None
    assert must_claim(AT + 61 * SECOND).attempts == 2


def test_an_outcome_after_another_claim_is_refused() -> None:
    add(firing())
    slow = must_claim()
    late = AT + outbox.LEASE + SECOND
    assert sweep(late) == ("webhook",)
    quick = must_claim(late)
    assert not record(slow)
    assert states() == ["sending"]
    assert record(quick)
    assert not record(slow, failed(slow, permanent=True))
    assert states() == ["sent"]


def test_what_was_sent_counts_although_the_lease_had_ended() -> None:
    add(firing())
    slow = must_claim()
    sweep(AT + outbox.LEASE + SECOND)
    assert states() == ["retry"]
    assert record(slow)
    assert claim(AT + 2 * outbox.LEASE) is None


# --- the sweeper


def test_a_lease_that_lasts_is_left_alone() -> None:
    add(firing())
    must_claim()
    assert sweep(AT + outbox.LEASE - SECOND) == ()
    assert states() == ["sending"]


def test_a_row_whose_workers_keep_dying_ends_as_dead() -> None:
    add(firing())
    now = AT
    for _ in range(retry.MAX_ATTEMPTS):
        must_claim(now)
        now += outbox.LEASE + SECOND
        sweep(now)
    (row,) = rows()
    assert (row.state, row.reason, row.attempts) == ("dead", "lease_ended", retry.MAX_ATTEMPTS)
    assert row.finished_at == now


def test_a_lost_wake_up_is_repeated_ever_more_rarely() -> None:
    add(firing())
    times = [second for second in range(200) if sweep(AT + second * SECOND)]
    gaps = [after - before for before, after in pairwise(times)]
    assert times[0] == sweeper.REPEAT.total_seconds()
    assert gaps == sorted(gaps)
    assert max(gaps) <= sweeper.LONGEST_REPEAT.total_seconds() + 1
    assert 5 <= len(times) <= 10


def test_a_retry_that_is_due_is_woken_at_once_and_a_row_that_waits_for_another_never() -> None:
    add(firing())
    add(resolved())
    first = must_claim()
    record(first, failed(first))
    assert sweep(AT) == ()
    assert sweep(AT + SECOND) == ("webhook",)
    must_claim(AT + SECOND)
    assert sweep(AT + 20 * SECOND) == ()


def test_the_accounts_balance_in_every_state() -> None:
    for number in range(5):
        add(firing(fingerprint=f"{number:016x}"), ["webhook", "log"])
    record(must_claim())
    dead = must_claim()
    record(dead, failed(dead, permanent=True))
    waiting = must_claim()
    record(waiting, failed(waiting))
    must_claim()
    with transaction() as connection:
        counts = accounting(connection)
    assert counts == {
        "created": 10,
        "open": 8,
        "pending": 6,
        "sending": 1,
        "retry": 1,
        "sent": 1,
        "dead": 1,
        "grouped": 0,
        "suppressed": 0,
        "unaccounted": 0,
    }
