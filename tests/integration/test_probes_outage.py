"""While the store or the broker is away, checks go on, results wait for it, and nothing hangs."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select, text
from support.mortal import Mortal, mortal_valkey
from support.servers import PostgresServer, forget_environment, use_environment, wait_until
from support.target_of import configured

from watchfleet.clock import utcnow
from watchfleet.db.cache import get_cache
from watchfleet.db.engine import transaction
from watchfleet.db.tables import probe_target
from watchfleet.metrics.counters import totals
from watchfleet.metrics.read import recent
from watchfleet.model import ProbeResult, Status
from watchfleet.probes import health, recorder, rounds
from watchfleet.probes.dispatch import sync
from watchfleet.probes.record import Found, Recorded, Series
from watchfleet.probes.recorder import DROPPED, Recorder
from watchfleet.probes.standby import SETTLING_SECONDS, TURN_KEY, Standby, take_over
from watchfleet.probes.targets import get_targets

TARGETS = configured({"name": "shop", "kind": "memory"})
SHOP = TARGETS.by_name["shop"]
NOW = timedelta(0)


@pytest.fixture
def mortal(
    mortal_store: tuple[Mortal, PostgresServer], monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> Iterator[Mortal]:
    """That server, empty, and this process configured for it; running again afterwards."""
    use_environment(monkeypatch, DATABASE_URL=mortal_store[1].url(), BROKER_URL=redis_url)
    monkeypatch.setattr(recorder, "PAUSE_SECONDS", 0.05)
    with transaction() as connection:
        connection.execute(text("TRUNCATE probe_target, samples, counter, counter_delta, ingest_batch"))
        sync(connection, TARGETS, utcnow())
    yield mortal_store[0]
    forget_environment()


def found(status: Status, seconds: float, reason: str = "timeout") -> list[Found]:
    result = ProbeResult("shop", status, reason, 0.1, BEGAN + timedelta(seconds=seconds))
    return [Found(SHOP, result)]


BEGAN = utcnow() - timedelta(minutes=5)


def shop() -> "Row[Any]":
    with transaction() as connection:
        return connection.execute(select(probe_target).where(probe_target.c.name == "shop")).one()


def successes() -> list[float]:
    with transaction() as connection:
        series = recent(connection, "probe_success", BEGAN - timedelta(minutes=1), {"target": "shop"})
    return [value for one in series for _, value in one.points]


class Rules:
    """Stands for the broker: counts the calls of the rules, and what they would have found."""

    def __init__(self) -> None:
        self.failures: list[int] = []
        self.away = False

    def call(self, series: Iterable[Series]) -> None:
        if self.away:
            raise ConnectionError("the broker is away")
        self.failures.append(shop().failures)


def ended(futures: "list[Future[Recorded]]") -> bool:
    return all(future.done() for future in futures)


def test_what_was_found_during_an_outage_is_written_in_order_and_told_before_new_checks(
    mortal: Mortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "SETTLE_SECONDS", 60.0)
    rules = Rules()
    writer = Recorder(transaction, rules.call)
    assert writer.put("b0", found(Status.UP, 0, "")).result(30) == Recorded(changed=True)
    assert not writer.holds_back()
    mortal.kill()
    waiting = [writer.put(f"b{second}", found(Status.DOWN, second)) for second in (1, 2, 3)]
    wait_until(writer.holds_back)
    assert not any(future.done() for future in waiting)
    mortal.start()
    wait_until(lambda: ended(waiting))
    assert successes() == [1, 0, 0, 0]
    assert (shop().status, shop().failures) == ("down", 3)
    assert rules.failures[-1] == 3
    assert writer.holds_back()  # a success now would hide the outage from the rules
    assert rounds.tick(writer, utcnow()) == []
    monkeypatch.setattr(writer, "_settled_at", 0.0)
    assert not writer.holds_back()


def test_who_waits_for_a_store_that_hangs_waits_in_vain_but_not_for_long(
    mortal: Mortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "PATIENCE", 0.2)
    writer = Recorder(transaction, Rules().call)
    rounds.tick(writer, utcnow())
    mortal.stop()
    try:
        assert rounds.carry_out(["memory"], "1.000", writer) is None
        assert rounds.carry_out(["disk"], "1.000", writer) is None
        assert set(health.read(get_cache())) == {"disk", "memory"}
    finally:
        mortal.resume()
    wait_until(lambda: not writer._waiting)
    with transaction() as connection:
        checked = connection.execute(select(probe_target.c.name).where(probe_target.c.status == "up"))
        assert set(checked.scalars()) == {"disk", "memory"}


def test_a_tick_that_hangs_is_not_joined_by_the_next(mortal: Mortal) -> None:
    writer = Recorder(transaction, Rules().call)
    assert rounds._ticking.acquire(blocking=False)
    try:
        assert rounds.tick(writer, utcnow()) == []
    finally:
        rounds._ticking.release()
    assert [batch.names for batch in rounds.tick(writer, utcnow())]


def test_too_much_to_keep_loses_the_oldest_and_counts_them(
    mortal: Mortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MOST_RESULTS", 4)
    monkeypatch.setattr(recorder, "MOST_AT_ONCE", 1)
    writer = Recorder(transaction, Rules().call)
    mortal.kill()
    waiting = [writer.put(f"b{second}", found(Status.DOWN, second)) for second in range(7)]
    assert writer.dropped == 3
    mortal.start()
    wait_until(lambda: ended(waiting))
    assert shop().failures == 4
    with transaction() as connection:
        lost = [total.value for total in totals(connection) if total.name == DROPPED]
    assert lost == [3]


def test_a_batch_that_the_store_refuses_is_lost_alone(mortal: Mortal) -> None:
    writer = Recorder(transaction, Rules().call)
    mortal.kill()
    waiting = [
        writer.put("good", found(Status.DOWN, 1)),
        writer.put("refused", found(Status.DOWN, 2, "no\0text")),
        writer.put("good too", found(Status.DOWN, 3)),
    ]
    mortal.start()
    wait_until(lambda: ended(waiting))
    assert (shop().failures, writer.dropped) == (2, 1)


def test_rules_that_could_not_be_called_are_called_before_new_checks(mortal: Mortal) -> None:
    rules = Rules()
    rules.away = True
    writer = Recorder(transaction, rules.call)
    writer.put("b1", found(Status.DOWN, 1)).result(30)
    assert not writer.holds_back()
    rules.away = False
    assert writer.holds_back()
    assert rules.failures == [1]


def test_the_store_gets_the_results_while_the_cache_is_away(
    mortal: Mortal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with mortal_valkey(tmp_path) as (cache, url):
        use_environment(monkeypatch, BROKER_URL=url)
        writer = Recorder(transaction, Rules().call)
        rounds.tick(writer, utcnow())
        cache.kill()
        recorded = rounds.carry_out(["redis", "memory"], "1.000", writer)
        assert recorded == Recorded(changed=True, failing=1)
        assert take_over(get_targets().own(), utcnow(), NOW) == get_targets().own()


# --- standing by


def test_the_fleet_is_taken_over_only_while_nobody_checks_it(environment: pytest.MonkeyPatch) -> None:
    own, cache, now = get_targets().own(), get_cache(), utcnow()
    assert take_over(own, now, NOW) == own
    assert take_over(own, now, NOW) == []  # it is another process's turn
    assert 0 < cache.pttl(TURN_KEY) <= 5000
    cache.delete(TURN_KEY)
    checks = {
        target.name: health.check_of(target, ProbeResult(target.name, Status.UP, "", 0.1, now))
        for target in own
    }
    health.write(cache, checks)
    assert take_over(own, now + timedelta(seconds=6), timedelta(seconds=2)) == []
    assert take_over(own, now + timedelta(seconds=8), timedelta(seconds=2)) == own


def test_standby_waits_for_a_fleet_to_start_and_for_ticks_to_stop(environment: pytest.MonkeyPatch) -> None:
    silence, asked = 100.0, []
    standby = Standby(lambda: silence, lambda targets, _: asked.append([target.name for target in targets]))
    standby.look(utcnow())
    assert asked == []
    standby._began = time.monotonic() - SETTLING_SECONDS - 1
    silence = 1.0
    standby.look(utcnow())
    assert asked == []
    silence = 4.0
    standby.look(utcnow())
    assert asked == [[target.name for target in get_targets().own()]]
    standby.look(utcnow())
    assert len(asked) == 1
