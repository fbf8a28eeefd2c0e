"""The fleet-wide breaker on a real Valkey, with real processes."""

import json
import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import text
from support.breaking import callers, wait_is_over
from support.mortal import mortal_valkey, silent_port
from support.servers import wait_until

from watchfleet.breaker import (
    Breaker,
    CallNotPermittedError,
    Event,
    Kind,
    Link,
    Outcome,
    Permit,
    Policy,
    State,
    acquire_all,
    control,
    record_all,
    shared,
    statistics,
)
from watchfleet.breaker.local import LocalCircuit
from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.notify import circuits
from watchfleet.web import families

ROUNDS = int(os.environ.get("BREAKER_ROUNDS", "3"))
"""20 in the long form, `make breaker`."""
TEN = Policy(sliding_window_size=10, minimum_number_of_calls=10)


@pytest.fixture
def redis(redis_url: str) -> Iterator["Redis"]:
    with closing(Redis.from_url(redis_url, socket_timeout=20)) as client:
        yield client


def make(breaker: Breaker, *outcomes: Outcome, seconds: float = 0.0) -> int:
    """Make calls until the breaker refuses one; returns how many it let through."""
    for number, outcome in enumerate(outcomes):
        permit = breaker.acquire()
        if not permit.allowed:
            return number
        breaker.record(permit, outcome, seconds)
    return len(outcomes)


@pytest.mark.parametrize("processes", [2, 8])
@pytest.mark.parametrize("permits", [1, 3])
def test_exactly_the_permitted_number_pass_a_half_open_breaker(
    redis: "Redis", redis_url: str, processes: int, permits: int
) -> None:
    with callers(redis_url, processes, permits=permits) as all_of_them:
        for number in range(ROUNDS):
            wait_is_over(redis, name := f"round-{number}")
            assert all_of_them.ask(name).count("passed") == min(permits, processes)
            all_of_them.tell("end")


def test_a_trial_that_was_killed_frees_its_permit_after_the_lease(redis: "Redis", redis_url: str) -> None:
    wait_is_over(redis, "payments")
    breaker = Breaker(
        "payments", Policy(permitted_number_of_calls_in_half_open_state=1, trial_lease=3), redis=redis
    )
    with callers(redis_url, 1, permits=1, lease=3) as doomed:
        assert doomed.ask("payments") == ["passed"]
        refused = breaker.acquire()
        assert (refused.allowed, refused.state) == (False, State.HALF_OPEN)
        assert 0 < (refused.retry_after or 0) <= 3
        doomed.tell("die")
        assert doomed.processes[0].wait(10) == -9
    wait_until(lambda: breaker.acquire().allowed)


def test_a_trial_that_lost_its_permit_no_longer_decides(redis: "Redis") -> None:
    policy = Policy(permitted_number_of_calls_in_half_open_state=1, trial_lease=0.2)
    breaker = Breaker("late", policy, redis=redis)
    wait_is_over(redis, "late")
    late = breaker.acquire()
    found: list[Permit] = []

    def passes() -> bool:
        found.append(breaker.acquire())
        return found[-1].allowed

    wait_until(passes)
    assert not breaker.record(late, Outcome.FAILED, 0).counted
    assert breaker.record(found[-1], Outcome.SUCCESSFUL, 0).state is State.CLOSED


@pytest.mark.parametrize("kind", ["count", "time"])
def test_it_opens_at_the_rate_whatever_the_order(redis: "Redis", kind: str) -> None:
    policy = Policy(sliding_window_type=kind, sliding_window_size=60, minimum_number_of_calls=10)  # type: ignore[arg-type]
    failing = Breaker("failing", policy, redis=redis)
    assert make(failing, *[Outcome.SUCCESSFUL, *[Outcome.FAILED] * 4] * 10) == 10
    slow = Breaker("slow", policy, redis=redis)
    assert make(slow, *[Outcome.SUCCESSFUL] * 50, seconds=60) == 10
    good = Breaker("good", policy, redis=redis)
    assert make(good, *[Outcome.SUCCESSFUL, Outcome.SUCCESSFUL, Outcome.FAILED] * 30) == 90
    found = {one.name: one for one in statistics.read(redis)}
    assert found["failing"].state is State.OPEN
    assert (found["failing"].failure_rate, found["failing"].slow_call_rate) == (80, 0)
    assert (found["slow"].failure_rate, found["slow"].slow_call_rate) == (0, 100)
    assert found["good"].buffered == (60 if kind == "count" else 90)


def test_a_window_of_time_forgets(redis: "Redis") -> None:
    policy = Policy(sliding_window_type="time", sliding_window_size=0.3, minimum_number_of_calls=2)
    breaker = Breaker("short", policy, redis=redis)
    make(breaker, Outcome.FAILED)
    assert statistics.read(redis)[0].buffered <= 1
    wait_until(lambda: statistics.read(redis)[0].buffered == 0)
    make(breaker, Outcome.SUCCESSFUL)
    assert breaker.acquire().state is State.CLOSED
    assert statistics.read(redis)[0].failure_rate <= 0


def test_the_wait_grows_with_each_trial_that_fails(redis: "Redis") -> None:
    policy = Policy(
        sliding_window_size=1,
        wait_duration_in_open_state=100,
        wait_backoff=2,
        max_wait_duration_in_open_state=300,
        permitted_number_of_calls_in_half_open_state=1,
    )
    breaker, waits = Breaker("growing", policy, redis=redis), []
    for _ in range(3):
        make(breaker, Outcome.FAILED)
        waits.append(breaker.acquire().retry_after)
        redis.hset(shared.keys_of("growing").state, "until", 1)
    assert [round(wait or 0, -1) for wait in waits] == [100, 200, 300]
    make(breaker, Outcome.SUCCESSFUL, Outcome.FAILED)
    assert round(breaker.acquire().retry_after or 0, -1) == 100


def test_a_half_open_that_takes_too_long_opens(redis: "Redis") -> None:
    policy = Policy(max_wait_duration_in_half_open_state=0.05, wait_duration_in_open_state=60)
    breaker = Breaker("hesitant", policy, redis=redis)
    wait_is_over(redis, "hesitant")
    assert breaker.acquire().allowed
    wait_until(lambda: breaker.acquire().state is State.OPEN)
    assert statistics.transitions(redis, "hesitant")[0][3] == "half_open_too_long"


def test_an_operators_decision_holds_until_it_is_taken_back(redis: "Redis") -> None:
    breaker = Breaker("decided", TEN, redis=redis)
    assert make(breaker, Outcome.FAILED) == 1
    for state, through in ((State.FORCED_OPEN, 0), (State.DISABLED, 30), (State.METRICS_ONLY, 30)):
        control.decide(redis, "decided", state)
        assert make(breaker, *[Outcome.FAILED] * 30) == through
        assert redis.ttl(shared.keys_of("decided").state) == -1
    assert statistics.read(redis)[0].failure_rate == 100
    control.decide(redis, "decided", State.CLOSED)
    assert make(breaker, *[Outcome.FAILED] * 30) == 10
    assert redis.ttl(shared.keys_of("decided").state) > 0


def test_a_batch_asks_and_tells_in_one_round_trip(redis: "Redis") -> None:
    many = [Breaker(f"target-{number}", TEN, redis=link) for link in [Link(redis)] for number in range(50)]
    redis.script_flush()
    acquire_all(many)  # registers them
    before = redis.info("commandstats")
    permits = acquire_all(many)
    record_all([(one, permit, Outcome.SUCCESSFUL, 0.1) for one, permit in zip(many, permits, strict=True)])
    after = redis.info("commandstats")
    assert all(permit.allowed and permit.shared for permit in permits)
    assert after["cmdstat_evalsha"]["calls"] - before["cmdstat_evalsha"]["calls"] <= 150
    assert {one.calls[Outcome.SUCCESSFUL] for one in statistics.read(redis)} == {1}


def test_a_redis_that_is_killed_in_a_call_harms_no_caller(tmp_path: Path) -> None:
    with mortal_valkey(tmp_path) as (server, url), closing(Redis.from_url(url, socket_timeout=5)) as client:
        breaker = Breaker("mortal", TEN, redis=Link(client, pause=0.1))
        with breaker.guard():
            server.kill()
        assert make(breaker, *[Outcome.FAILED] * 30) == 10  # the same policy, of this process alone
        with pytest.raises(CallNotPermittedError) as caught:
            breaker.call(lambda: None)
        assert caught.value.state == "OPEN"
        server.start()
        wait_until(lambda: breaker.acquire().shared)
        assert breaker.call(lambda: 7) == 7


def test_what_is_known_of_an_open_breaker_holds_while_redis_is_gone(tmp_path: Path) -> None:
    with mortal_valkey(tmp_path) as (server, url), closing(Redis.from_url(url, socket_timeout=5)) as client:
        breaker = Breaker("known", TEN, redis=client)
        make(breaker, *[Outcome.FAILED] * 10)
        server.kill()
        permit = breaker.acquire()
        assert (permit.allowed, permit.shared, permit.state) == (False, False, State.OPEN)


def test_a_redis_that_hangs_costs_one_caller_its_timeout() -> None:
    with silent_port() as port:
        client = Redis(port=port, socket_timeout=0.2, socket_connect_timeout=0.2)
        breaker = Breaker("hanging", redis=Link(client, pause=60))
        results: list[int] = []
        threads = [Thread(target=lambda: results.append(breaker.call(lambda: 1))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert results == [1] * 8
        assert not breaker.acquire().shared


def test_listeners_hear_of_everything(redis: "Redis") -> None:
    heard: list[Event] = []
    breaker = Breaker("heard", Policy(sliding_window_size=1, ignore_exceptions=(KeyError,)), redis=redis)
    breaker.on_event(lambda event: 1 / 0)
    breaker.on_event(heard.append)
    breaker.call(lambda: None)
    with pytest.raises(KeyError):
        breaker.call({}.__getitem__, 1)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 / 0)
    with pytest.raises(CallNotPermittedError):
        breaker.call(lambda: None)
    assert [event.kind for event in heard] == [
        Kind.SUCCESS,
        Kind.IGNORED_ERROR,
        Kind.ERROR,
        Kind.STATE_TRANSITION,
        Kind.NOT_PERMITTED,
    ]


@pytest.mark.parametrize("seed", range(4))
def test_the_local_breaker_decides_as_the_scripts_do(redis: "Redis", seed: int) -> None:
    chance = random.Random(seed)
    policy = Policy(
        sliding_window_size=chance.randint(3, 12),
        minimum_number_of_calls=chance.randint(1, 8),
        slow_call_rate_threshold=60,
        wait_duration_in_open_state=1000,
        permitted_number_of_calls_in_half_open_state=3,
    )
    keys, local, now = shared.keys_of(f"twin-{seed}"), LocalCircuit(policy), 0.0
    for _ in range(150):
        there, here = shared.acquire(redis, [(keys, policy)])[0], local.acquire(now)
        assert (there.allowed, there.state, there.transition) == (here.allowed, here.state, here.transition)
        if there.allowed:
            outcome, seconds = chance.choice(list(Outcome)), chance.choice([0.0, 90.0])
            report = shared.Report(keys, policy, there, outcome, seconds)
            told, kept = (
                shared.record(redis, [report])[0],
                local.record(here, outcome, now, slow=report.slow),
            )
            assert (told.state, told.transition) == (kept.state, kept.transition)
        elif there.state is State.OPEN:  # let both waits be over
            redis.hset(keys.state, "until", 1)
            now += 1000


def test_rules_metrics_and_the_command_line_see_it(environment: pytest.MonkeyPatch, redis: "Redis") -> None:
    make(Breaker("seen", TEN, redis=redis), *[Outcome.FAILED] * 10)
    with transaction() as connection:
        assert circuits.observe(connection, utcnow()) > 10
        stored = connection.execute(
            text("SELECT labels FROM series WHERE name = 'resilience4j_circuitbreaker_state'")
        )
        assert {"name": "seen", "state": "open"} in [row.labels for row in stored]
    shown = {
        (sample.name, sample.labels.get("state", "")): sample.value
        for family in families.of_breakers(statistics.read(redis), 0)
        for sample in family.samples
    }
    assert shown["resilience4j_circuitbreaker_state", "open"] == 1
    assert shown["resilience4j_circuitbreaker_state", "closed"] == 0

    run = CliRunner().invoke
    assert json.loads(run(cli, ["breakers", "list", "--json"]).output)["state"] == "OPEN"
    assert "seen" in run(cli, ["breakers", "list"]).output
    assert run(cli, ["breakers", "force-open", "seen"]).output == "seen: OPEN -> FORCED_OPEN\n"
    assert run(cli, ["breakers", "disable", "seen"]).output == "seen: FORCED_OPEN -> DISABLED\n"
    assert run(cli, ["breakers", "reset", "seen"]).output == "seen: DISABLED -> CLOSED\n"
    assert "FORCED_OPEN -> DISABLED  decided" in run(cli, ["breakers", "show", "seen"]).output
    unknown = run(cli, ["breakers", "reset", "sen"])
    assert (unknown.exit_code, "did you mean seen?" in unknown.stderr) == (1, True)
