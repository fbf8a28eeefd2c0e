"""Claiming what is due: nothing twice, nothing drifts, what was late runs once."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Row, select
from support.target_of import configured

from watchfleet.db.engine import transaction
from watchfleet.db.tables import probe_target
from watchfleet.probes import dispatch as module
from watchfleet.probes.dispatch import EARLY, dispatch, sync
from watchfleet.probes.targets import Targets

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("environment")


def shops(count: int, **fields: object) -> Targets:
    made = (
        {"name": f"t{n}", "kind": "http", "url": "http://h/", "interval": "10s", **fields}
        for n in range(count)
    )
    return configured(*made)


def tick(targets: Targets, seconds: float) -> list[str]:
    with transaction() as connection:
        found = dispatch(connection, targets, NOW + timedelta(seconds=seconds))
    return sorted(name for batch in found.batches for name in batch.names)


def stored() -> Mapping[str, "Row[Any]"]:
    with transaction() as connection:
        return {row.name: row for row in connection.execute(select(probe_target))}


def test_each_target_is_claimed_once_an_interval_and_never_drifts() -> None:
    targets = shops(50)
    claimed: dict[str, list[float]] = {}
    last = 30.1
    for step in range(0, 302, 7):  # ticks that come late and irregularly
        for name in tick(targets, step / 10):
            claimed.setdefault(name, []).append(step / 10)
    for name, row in stored().items():
        if name.startswith("t"):
            place = (row.due_at - NOW).total_seconds() % 10
            early = EARLY.total_seconds()
            assert len(claimed[name]) == (last + early - place) // 10 + 1
            assert max((at + early - place) % 10 for at in claimed[name]) < 0.7 + 1e-6


def test_what_was_missed_for_long_runs_once_and_keeps_its_place() -> None:
    targets = shops(3)
    tick(targets, 0)
    places = {name: row.due_at.timestamp() % 10 for name, row in stored().items() if name.startswith("t")}
    late = [name for name in tick(targets, 3600) if name.startswith("t")]
    assert late == ["t0", "t1", "t2"]
    assert not [name for name in tick(targets, 3600) if name.startswith("t")]
    after = {name: row.due_at.timestamp() % 10 for name, row in stored().items() if name.startswith("t")}
    assert after == pytest.approx(places, abs=1e-5)


def test_many_dispatchers_at_once_claim_nothing_twice() -> None:
    targets = shops(200)
    tick(targets, 0)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: tick(targets, 15), range(8)))
    names = [name for claim in claims for name in claim]
    assert len(names) == len(set(names)) == 202


def test_the_store_follows_the_configuration() -> None:
    tick(shops(3, labels={"team": "a"}), 0)
    before = stored()
    changed = configured(
        {"name": "t1", "kind": "memory", "severity": "info", "interval": "10s"},
        {"name": "t2", "kind": "http", "url": "http://h/", "interval": "20s", "labels": {"team": "b"}},
        {"name": "new", "kind": "memory"},
    )
    tick(changed, 1)
    after = stored()
    assert set(after) == {"t1", "t2", "new", "disk", "memory"}
    assert (after["t1"].kind, after["t1"].severity, after["t1"].labels) == ("memory", "info", {})
    assert (after["t2"].interval_seconds, after["t2"].labels) == (20, {"team": "b"})
    assert after["t1"].due_at == before["t1"].due_at


def test_what_did_not_change_keeps_its_standing() -> None:
    targets = shops(1)
    tick(targets, 0)
    with transaction() as connection:
        connection.execute(probe_target.update().values(status="down", failures=3))
        sync(connection, targets, NOW + timedelta(hours=1))
    assert (stored()["t0"].status, stored()["t0"].failures) == ("down", 3)


def test_the_configuration_is_compared_at_the_first_tick_and_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    targets = shops(1)
    with transaction() as connection:
        assert dispatch(connection, targets, NOW).synced
        assert not dispatch(connection, targets, NOW).synced
        monkeypatch.setattr(module, "RESYNC_SECONDS", -1.0)
        assert dispatch(connection, targets, NOW).synced


def test_a_target_that_another_configuration_knows_is_left_alone() -> None:
    targets = shops(1)
    tick(targets, 0)
    with transaction() as connection:
        sync(connection, shops(2), NOW)
    assert "t1" not in tick(targets, 20)
