"""What a batch found, in the store and in the cache."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Row, select
from support.target_of import configured

from watchfleet.db.cache import get_cache
from watchfleet.db.engine import transaction
from watchfleet.db.tables import probe_target
from watchfleet.metrics.read import recent
from watchfleet.model import Measurement, ProbeResult, Status
from watchfleet.probes import health
from watchfleet.probes.calendar import Window
from watchfleet.probes.dispatch import sync
from watchfleet.probes.probe import maintained
from watchfleet.probes.record import Found, Recorded, batch_id, record

NOW = datetime.now(UTC).replace(microsecond=0)
TARGETS = configured(
    {"name": "shop", "kind": "http", "url": "http://h/", "labels": {"team": "sales"}},
    {"name": "mail", "kind": "memory", "required": True},
)

pytestmark = pytest.mark.usefixtures("_synced")


@pytest.fixture
def _synced(environment: pytest.MonkeyPatch) -> None:
    with transaction() as connection:
        sync(connection, TARGETS, NOW)


def found(name: str, status: Status, seconds: float = 0, **fields: Any) -> Found:
    at = NOW + timedelta(seconds=seconds)
    reason = "" if status is Status.UP else "timeout"
    return Found(TARGETS.by_name[name], ProbeResult(name, status, reason, 0.25, at, **fields))


def write(batch: str, *results: Found) -> Recorded:
    with transaction() as connection:
        return record(connection, batch, results, NOW)


def standing(name: str) -> "Row[Any]":
    with transaction() as connection:
        return connection.execute(select(probe_target).where(probe_target.c.name == name)).one()


def points(metric: str) -> dict[tuple[tuple[str, str], ...], list[float]]:
    with transaction() as connection:
        series = recent(connection, metric, NOW - timedelta(minutes=1))
    return {tuple(sorted(one.labels.items())): [value for _, value in one.points] for one in series}


def test_results_become_samples_with_the_target_s_labels() -> None:
    values = (Measurement("celery_queue_length", 3.0, {"queue": "a"}),)
    write("b1", found("shop", Status.UP, values=values), found("mail", Status.DOWN))
    shop = (("kind", "http"), ("target", "shop"), ("team", "sales"))
    mail = (("kind", "memory"), ("target", "mail"))
    assert points("probe_success") == {shop: [1], mail: [0]}
    assert points("probe_duration_seconds") == {shop: [0.25], mail: [0.25]}
    assert points("celery_queue_length") == {(("queue", "a"), ("target", "shop"), ("team", "sales")): [3]}


def test_a_check_that_could_not_be_made_says_nothing_of_its_target() -> None:
    write("b1", found("shop", Status.UNKNOWN))
    assert points("probe_success") == {}
    assert (standing("shop").status, standing("shop").failures) == ("unknown", 0)


def test_standing_follows_the_results() -> None:
    assert write("b1", found("shop", Status.UP, 1)) == Recorded(changed=True, failing=0)
    assert write("b2", found("shop", Status.UP, 2)) == Recorded(changed=False, failing=0)
    assert write("b3", found("shop", Status.DOWN, 3, detail="why")) == Recorded(changed=True, failing=1)
    assert write("b4", found("shop", Status.DOWN, 4)) == Recorded(changed=False, failing=1)
    now = standing("shop")
    assert (now.status, now.failures, now.reason) == ("down", 2, "timeout")
    assert (now.status_since, now.checked_at) == (NOW + timedelta(seconds=3), NOW + timedelta(seconds=4))
    assert write("b5", found("shop", Status.UNKNOWN, 5)) == Recorded(changed=True, failing=1)
    assert write("b6", found("shop", Status.DEGRADED, 6)) == Recorded(changed=True, failing=0)
    assert standing("shop").failures == 0


def test_a_batch_that_comes_twice_or_late_changes_nothing() -> None:
    write("b1", found("shop", Status.DOWN, 5))
    assert write("b1", found("shop", Status.DOWN, 5)) == Recorded()
    assert write("b0", found("shop", Status.UP, 1)) == Recorded()
    assert (standing("shop").status, standing("shop").failures) == ("down", 1)
    assert sorted(next(iter(points("probe_success").values()))) == [0, 1]


def test_a_batch_is_known_by_its_slot_and_its_targets() -> None:
    assert batch_id("1.000", ["b", "a"]) == batch_id("1.000", ["a", "b"])
    assert (
        len({batch_id("1", ["a"]), batch_id("2", ["a"]), batch_id("1", ["b"]), batch_id("1", ["a", "b"])})
        == 4
    )


def test_the_cache_gives_back_what_was_put_in() -> None:
    cache: Redis = get_cache()
    values = (Measurement("celery_queue_length", 3.0, {"queue": "a"}), Measurement("plain", 1.5))
    one, other = found("shop", Status.DOWN, detail="why", values=values), found("mail", Status.UP)
    checks = {each.target.name: health.check_of(each.target, each.result) for each in (one, other)}
    health.write(cache, checks)
    assert health.read(cache) == checks
    assert checks["mail"].required
    assert cache.ttl(health.KEY) > 0
    cache.hset(health.KEY, "from-another-version", '{"status": "sleeping"}')
    assert health.read(cache) == checks
    health.forget_others(cache, ["mail"])
    assert list(health.read(cache)) == ["mail"]


def test_in_maintenance_a_target_has_no_samples_of_its_success_and_no_failures() -> None:
    window = Window.model_validate({"from": NOW, "to": NOW + timedelta(hours=1)})
    shop = replace(TARGETS.by_name["shop"], maintenance=(window,))
    write("b1", found("shop", Status.DOWN, -1))
    for second in (1, 2):
        seen = found("shop", Status.DOWN, second)
        write(f"b{second + 1}", seen._replace(result=maintained(shop, seen.result)))
    assert (standing("shop").status, standing("shop").failures) == ("maintenance", 0)
    assert standing("shop").detail == "in maintenance; its check found it down"
    assert list(points("probe_success").values()) == [[0]]
    after = found("shop", Status.DOWN, 3600)
    assert maintained(shop, after.result) is after.result
