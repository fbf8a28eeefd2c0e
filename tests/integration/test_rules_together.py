"""Several groups in one transaction: the same as each by itself, whatever becomes of one of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from support.policies import policy_for
from support.ruled import LOG, at, events, group_of, put, run, steady

from watchfleet import promql
from watchfleet.db.engine import transaction
from watchfleet.db.locks import Lock, try_lock
from watchfleet.rules import evaluate, reading
from watchfleet.rules.evaluate import evaluate_due, lock_shard
from watchfleet.rules.library import Library
from watchfleet.rules.prepared import PreparedGroup

pytestmark = pytest.mark.usefixtures("environment")


def rule(name: str, threshold: int, metric: str = "load") -> str:
    return f"- alert: {name}\n  expr: {metric} > {threshold}\n  for: 15s\n"


def groups() -> list[PreparedGroup]:
    """Groups of different intervals and offsets, one of which reads what it records."""
    recording = "- record: twice\n  expr: load * 2\n" + rule("Twice", 10, "twice")
    return [
        group_of(rule("Often", 5), name="often"),
        group_of(recording, interval="20s", name="recording"),
        group_of(rule("Behind", 5), options="    query_offset: 30s\n", name="behind"),
    ]


def evaluate_at(some: Sequence[PreparedGroup], *seconds: float) -> int:
    """Evaluate the groups that are due at each second; returns how many evaluations there were."""
    library = Library(tuple(("test.yml", one.group) for one in some))
    done = [evaluate_due(library, at(second), policy_for(LOG), lambda _: None) for second in seconds]
    return sum(len(each) for each in done) - 2 * len(seconds)  # what belongs to no group


def test_groups_together_say_what_each_says_alone() -> None:
    steady("load", 9, 0, 60, host="a")
    put("load", {75: 1.0, 90: 1.0, 105: 1.0, 120: 1.0}, host="a")
    evaluate_at(groups(), *range(0, 121, 5))
    together = sorted(events())
    with transaction() as connection:
        for table in ("alert_event", "alert", "rule_group", "rule_output", "outbox"):
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(
            text("DELETE FROM samples WHERE series_id IN (SELECT id FROM series WHERE name = 'twice')")
        )
    for group in groups():
        for second in range(0, 121, int(group.interval.total_seconds())):
            run(group, second)
    assert sorted(events()) == together
    assert {(name, state) for _, name, state, _ in together} == {
        (name, state) for name in ("Often", "Twice", "Behind") for state in ("pending", "firing", "resolved")
    }


@pytest.fixture
def refused(environment: object) -> Iterator[None]:
    """Have the store refuse every alert of one name."""
    with transaction() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF NEW.labels->>'alertname' = 'Twice' THEN RAISE EXCEPTION 'refused'; END IF;"
                " RETURN NEW; END $$"
            )
        )
        connection.execute(
            text("CREATE TRIGGER refuse BEFORE INSERT ON alert FOR EACH ROW EXECUTE FUNCTION refuse()")
        )
    yield
    with transaction() as connection:
        connection.execute(text("DROP FUNCTION refuse CASCADE"))


@pytest.mark.usefixtures("refused")
def test_a_group_that_the_store_refuses_is_tried_again_and_spares_the_others() -> None:
    steady("load", 9, 0, 60, host="a")
    assert evaluate_at(groups(), 60) == 2
    assert [name for _, name, *_ in events()] == ["Often", "Behind"]
    with transaction() as connection:
        connection.execute(text("ALTER TABLE alert DISABLE TRIGGER refuse"))
    assert evaluate_at(groups(), 61) == 1
    assert [name for _, name, *_ in events()] == ["Often", "Behind", "Twice"]


@contextmanager
def locked(group: PreparedGroup) -> Iterator[None]:
    with transaction() as connection:
        assert try_lock(connection, Lock.RULES, lock_shard(group.key))
        yield


def test_a_group_that_another_evaluator_is_at_is_left_to_it() -> None:
    steady("load", 9, 0, 60, host="a")
    with locked(groups()[0]):
        assert evaluate_at(groups(), 60) == 2
    assert evaluate_at(groups(), 61) == 1
    assert sorted(name for _, name, *_ in events()) == ["Behind", "Often", "Twice"]


def test_a_group_that_reads_too_much_for_all_of_them_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    greedy = group_of("- alert: Greedy\n  expr: '{__name__=~\"l.*\"} > 5'", name="greedy")
    for host in "abcd":
        steady("lots", 9, 0, 60, host=host)
    steady("load", 9, 0, 60, host="a")
    for limit in ("LIMITS", "ALONE"):
        monkeypatch.setattr(reading, limit, promql.Limits(series=3))
    evaluate_at([greedy, *groups()], 60)
    assert sorted(name for _, name, *_ in events()) == ["Behind", "DatasourceError", "Often", "Twice"]


def test_no_more_rules_are_evaluated_together_than_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    evaluate_groups = evaluate.evaluate_groups

    def counted(*given: object) -> object:
        sizes.append(len(given[1]))  # type: ignore[arg-type]  # the groups that are due
        return evaluate_groups(*given)  # type: ignore[arg-type]  # what was given

    monkeypatch.setattr(evaluate, "TOGETHER", 3)
    monkeypatch.setattr(evaluate, "evaluate_groups", counted)
    assert evaluate_at(groups(), 60) == 3
    assert sizes == [2, 1]
