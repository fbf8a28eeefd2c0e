"""Targets' circuit breakers on a real Valkey: probes tell them, applications share them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from redis import Redis

from watchfleet.breaker import Breaker, Outcome, Policy, State, shared, statistics
from watchfleet.breaker.statistics import Statistics
from watchfleet.clock import utcnow
from watchfleet.db.cache import get_cache
from watchfleet.model import ProbeResult, Severity, Status
from watchfleet.probes import rounds
from watchfleet.probes.breakers import Breakers
from watchfleet.probes.probe import Options, Target
from watchfleet.probes.record import Found

pytestmark = pytest.mark.usefixtures("environment")
SECOND = timedelta(seconds=1)
SHOP = Target(
    "shop",
    "http",
    10 * SECOND,
    SECOND,
    None,
    {},
    Severity.CRITICAL,
    required=False,
    own=False,
    options=Options(),
)


@pytest.fixture
def redis() -> Redis:
    return get_cache()


@pytest.fixture
def breakers() -> Breakers:
    return Breakers()


def found(status: Status, target: Target = SHOP, seconds: float = 0.1) -> tuple[Target, ProbeResult]:
    return target, ProbeResult(target.name, status, "", seconds, utcnow())


def standing(redis: Redis, name: str = "shop") -> Statistics:
    return next(one for one in statistics.read(redis) if one.name == name)


def end_wait(redis: Redis) -> None:
    redis.hset(shared.keys_of("shop").state, "until", 1)


def test_probes_open_and_close_what_an_application_asks(redis: Redis, breakers: Breakers) -> None:
    for _ in range(3):
        breakers.tell(redis, [found(Status.DOWN)])
    application = Breaker("shop", Policy(permitted_number_of_calls_in_half_open_state=1), redis=redis)
    assert not application.acquire().allowed
    breakers.tell(redis, [found(Status.UP)])
    assert standing(redis).state is State.OPEN, "its wait is not over"
    assert standing(redis).not_permitted == 1, "a probe is not refused"
    end_wait(redis)
    breakers.tell(redis, [found(Status.UP)])
    assert standing(redis).state is State.CLOSED
    assert application.acquire().allowed


def test_a_probe_that_fails_as_the_trial_opens_it_again(redis: Redis, breakers: Breakers) -> None:
    for _ in range(3):
        breakers.tell(redis, [found(Status.DOWN)])
    end_wait(redis)
    breakers.tell(redis, [found(Status.DOWN)])
    assert [(str(before), str(after)) for _, before, after, _ in statistics.transitions(redis, "shop")] == [
        ("HALF_OPEN", "OPEN"),
        ("OPEN", "HALF_OPEN"),
        ("CLOSED", "OPEN"),
    ]


def test_the_policy_of_an_application_is_that_of_its_probe_too(redis: Redis, breakers: Breakers) -> None:
    policy = Policy(sliding_window_size=20, minimum_number_of_calls=6, slow_call_duration_threshold=2)
    application = Breaker("shop", policy, redis=redis)
    application.record(application.acquire(), Outcome.FAILED, 0.1)
    for _ in range(4):
        breakers.tell(redis, [found(Status.DOWN, seconds=3)])
    assert (standing(redis).state, standing(redis).buffered, standing(redis).window[3]) == ("CLOSED", 5, 4)
    breakers.tell(redis, [found(Status.DOWN)])
    assert (standing(redis).state, standing(redis).user) == ("OPEN", "application")


def test_a_check_that_says_nothing_tells_nothing(redis: Redis, breakers: Breakers) -> None:
    own = replace(SHOP, name="postgres", own=True)
    told = [found(Status.UNKNOWN), found(Status.MAINTENANCE), found(Status.DOWN, own)]
    breakers.tell(redis, told)
    assert statistics.read(redis) == []


def test_a_name_with_blanks_has_a_breaker(redis: Redis) -> None:
    result = found(Status.UP, replace(SHOP, name="search: beta"))
    rounds.show([Found(*result)])
    assert standing(redis, "search:_beta").buffered == 1
