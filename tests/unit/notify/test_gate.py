"""Whether a destination may be sent to now."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from watchfleet.notify.gate import BURST, LONGEST_PAUSE, TRIPPED, Gate, admit, after
from watchfleet.notify.retry import Outcome

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
NEW = Gate(tokens=1, refilled_at=NOW)
FAILED = Outcome("retry", "http_500", wait=1.0)


def failed(times: int, gate: Gate = NEW, now: datetime = NOW) -> Gate:
    for _ in range(times):
        gate = after(gate, FAILED, now)
    return gate


def test_without_a_limit_all_may_go() -> None:
    assert admit(NEW, 500, 0, NOW, LEASE) == (500, NEW)


def test_in_the_long_run_no_more_go_than_the_rate_says() -> None:
    gate, sent, now = NEW, 0, NOW
    for _ in range(600):
        now += SECOND / 4
        count, gate = admit(gate, 10, 2.0, now, LEASE)
        sent += count
    assert 300 <= sent <= 300 + 2 * BURST


def test_a_bucket_that_is_empty_says_when_the_next_one_may_go() -> None:
    count, gate = admit(NEW, 3, 0.5, NOW, LEASE)
    assert (count, gate.token_at) == (1, NOW + 2 * SECOND)
    assert admit(gate, 3, 0.5, NOW + SECOND, LEASE)[0] == 0
    assert admit(gate, 3, 0.5, NOW + 2 * SECOND, LEASE)[0] == 1


def test_a_clock_that_jumps_back_takes_nothing_away() -> None:
    _, gate = admit(replace(NEW, tokens=3), 1, 1.0, NOW, LEASE)
    assert admit(gate, 1, 1.0, NOW - 600 * SECOND, LEASE)[0] == 1


def test_failures_in_a_row_open_the_breaker_and_a_success_closes_it() -> None:
    assert failed(TRIPPED - 1).open_until is None
    opened = failed(TRIPPED)
    assert opened.open_until is not None
    assert admit(opened, 10, 0, NOW, LEASE)[0] == 0
    assert after(opened, Outcome("sent", "delivered"), NOW) == NEW


def test_a_failure_between_successes_opens_nothing() -> None:
    gate = NEW
    for _ in range(50):
        gate = after(failed(TRIPPED - 1, gate), Outcome("sent", "delivered"), NOW)
    assert gate == NEW


def test_what_the_receiver_refuses_for_good_is_an_answer() -> None:
    assert after(failed(TRIPPED), Outcome("dead", "http_400"), NOW).open_until is None


def test_after_the_pause_one_trial_goes_and_frees_its_place_when_it_is_lost() -> None:
    opened = failed(TRIPPED)
    assert opened.open_until is not None
    later = opened.open_until
    count, trying = admit(opened, 10, 0, later, LEASE)
    assert count == 1
    assert admit(trying, 10, 0, later + SECOND, LEASE)[0] == 0
    assert admit(trying, 10, 0, later + LEASE, LEASE)[0] == 1


def test_a_trial_that_fails_waits_for_longer_up_to_the_longest() -> None:
    pauses = [(failed(times).open_until or NOW) - NOW for times in range(TRIPPED, TRIPPED + 20)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE * SECOND


@pytest.mark.parametrize(("asked", "pause"), [(7.0, 7), (1e9, 3600)])
def test_a_receiver_that_asks_for_a_pause_gets_it_from_all(asked: float, pause: int) -> None:
    asks = Outcome("retry", "http_429", wait=asked, asked=asked)
    assert after(NEW, asks, NOW).open_until == NOW + pause * SECOND
