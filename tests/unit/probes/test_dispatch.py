"""When a target is due first, and who is checked together."""

from datetime import UTC, datetime, timedelta

from support.target_of import configured

from watchfleet.probes.dispatch import Claimed, _batches, _slow_turn, first_due

NOW = datetime(2026, 11, 23, 12, 0, 7, tzinfo=UTC)


def many(count: int, **fields: object) -> list[dict[str, object]]:
    return [{"name": f"t{number}", "kind": "http", "url": "http://h/", **fields} for number in range(count)]


def test_own_dependencies_are_due_at_once() -> None:
    assert first_due(configured().by_name["disk"], NOW) == NOW


def test_targets_are_spread_evenly_over_their_interval() -> None:
    targets = [target for target in configured(*many(1000, interval="10s")) if not target.own]
    due = [first_due(target, NOW) for target in targets]
    assert all(NOW <= at < NOW + timedelta(seconds=10) for at in due)
    per_second = [sum(int((at - NOW).total_seconds()) == second for at in due) for second in range(10)]
    assert min(per_second) > 60
    assert max(per_second) < 140


def test_a_target_keeps_its_place_across_restarts() -> None:
    target = configured(*many(1, interval="10s")).by_name["t0"]
    later = first_due(target, NOW + timedelta(hours=1))
    assert (later - first_due(target, NOW)) % timedelta(seconds=10) == timedelta(0)


def test_batches_are_bounded_and_keep_the_slow_and_the_own_apart() -> None:
    targets = configured(
        *many(250),
        {"name": "patient", "kind": "http", "url": "http://h/", "timeout": "10s"},
        *({"name": f"m{number}", "kind": "memory"} for number in range(20)),
    )
    claimed = [Claimed(target, "timeout" if target.name == "t7" else "", NOW) for target in targets]
    batches = [batch.names for batch in _batches(claimed)]
    assert batches[0] == ["disk", "memory"]
    sizes = sorted(len(batch) for batch in batches)
    assert sizes == [2, 2, 4, 16, 49, 100, 100]
    assert ["patient", "t7"] in batches
    assert sorted(name for batch in batches for name in batch) == sorted(targets.by_name)


def test_slow_targets_take_turns_so_that_few_of_their_batches_run_at_once() -> None:
    def turns(timeout: str) -> int:
        targets = configured({"name": "x", "kind": "memory", "interval": "1m", "timeout": timeout})
        return sum(_slow_turn(targets, NOW + timedelta(seconds=second)) for second in range(24))

    assert turns("5s") == 24
    assert turns("30s") == 6
