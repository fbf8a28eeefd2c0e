"""Rules, states, events, samples and outbox rows together, on a real store."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from sqlalchemy import select
from support.outbox_rows import rows
from support.ruled import at, evaluate_group, events, group_of, play, put, run, steady, steps

from watchfleet import promql
from watchfleet.db.engine import transaction
from watchfleet.db.locks import Lock, try_lock
from watchfleet.db.tables import alert
from watchfleet.model import Kind
from watchfleet.promql.store import StoreSeries
from watchfleet.rules import group_state, reading
from watchfleet.rules.evaluate import lock_shard
from watchfleet.rules.group import Due
from watchfleet.rules.group_state import GroupState
from watchfleet.rules.prepared import Override

pytestmark = pytest.mark.usefixtures("environment")

HIGH = """
- alert: High
  expr: load > 5
  labels: {severity: warning}
  annotations: {summary: "it is high"}
"""


def state(group: str = "test.yml;test") -> GroupState:
    with transaction() as connection:
        return group_state.load_some(connection, [group])[group]


def value(expression: str, seconds: float) -> list[tuple[dict[str, str], float]]:
    with transaction() as connection:
        found = promql.instant(StoreSeries(connection), expression, at(seconds))
    assert isinstance(found, promql.Vector)
    return sorted(((dict(one.labels), one.value) for one in found), key=str)


def test_a_hold_is_kept_to_the_second_across_restarts() -> None:
    group = group_of(HIGH.replace("labels:", "for: 30s\n  labels:"))
    steady("load", 9, 0, 90, host="a")
    put("load", {105: 1.0, 120: 1.0}, host="a")
    assert play(group, range(0, 121, 15)) == [
        (0, "inactive", "pending", "condition_true"),
        (30, "pending", "firing", "condition_held"),
        (105, "firing", "resolved", "condition_false"),
    ]
    assert [row.message["status"] for row in rows()] == ["firing", "resolved"]


def test_an_evaluation_happens_once_and_never_goes_back() -> None:
    group = group_of(HIGH)
    steady("load", 9, 0, 60, host="a")
    assert steps(run(group, 30)) == [("inactive", "firing", "condition_held")]
    assert run(group, 30) is None
    assert run(group, 15) is None
    assert (state().evaluations, state().evaluated_at) == (1, at(30))


def test_a_series_that_is_missing_alone_is_waited_for_and_then_resolves_with_that_reason() -> None:
    group = group_of(HIGH)
    steady("load", 9, 0, 60, host="a")
    put("load", {61: None}, host="a")
    steady("load", 1, 0, 300, host="b")
    assert play(group, range(0, 121, 15)) == [
        (0, "inactive", "firing", "condition_held"),
        (90, "firing", "resolved", "missing_series"),
    ]
    assert "whether it is well is not known" in rows()[-1].message["alerts"][0]["annotations"]["description"]


def test_no_data_at_all_resolves_nothing_and_is_told_of() -> None:
    group = group_of(HIGH)
    steady("load", 9, 0, 60, host="a")
    put("load", {61: None}, host="a")
    assert [step[1:] for step in play(group, range(0, 600, 15))] == [
        ("inactive", "firing", "condition_held")
    ] * 2
    assert [(second, name) for second, name, *_ in events()] == [(0, "High"), (75, "DatasourceNoData")]
    with transaction() as connection:
        own = connection.execute(select(alert).order_by(alert.c.id.desc())).first()
    assert own is not None
    assert own.labels == {"alertname": "DatasourceNoData", "rulename": "High", "severity": "warning"}
    put("load", {600: 1.0, 615: 1.0}, host="a")
    assert [(second, after, why) for second, _, after, why in play(group, [600])] == [
        (600, "resolved", "condition_false")
    ] * 2


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("keep_last_state", []),
        ("alerting", []),
        ("ok", [(75, "firing", "resolved", "condition_false")]),
    ],
)
def test_what_no_data_means_is_the_rule_s_own(
    policy: str, expected: list[tuple[float, str, str, str]]
) -> None:
    group = group_of(f"{HIGH}  x-watchfleet: {{no_data: {policy}}}")
    steady("load", 9, 0, 60, host="a")
    put("load", {61: None}, host="a")
    assert play(group, range(0, 200, 15))[1:] == expected


def test_a_rule_that_never_had_data_is_no_alert() -> None:
    assert play(group_of(HIGH), range(0, 60, 15)) == []


def test_a_rate_whose_samples_stop_does_not_resolve() -> None:
    """Prometheus's rate falls while the window empties, and the alert with it."""
    group = group_of("- alert: Fast\n  expr: rate(errors_total[1m]) > 1")
    put("errors_total", [(second, 2.0 * second) for second in range(0, 121, 5)], Kind.COUNTER, host="a")
    assert value("rate(errors_total[1m])", 165)[0][1] < 1
    assert [step[2:] for step in play(group, range(60, 600, 15))] == [("firing", "condition_held")] * 2


def test_one_of_several_series_under_a_sum_that_stops_is_waited_for() -> None:
    group = group_of("- alert: Sum\n  expr: sum by (job) (load) > 5")
    steady("load", 4, 0, 60, job="a", host="1")
    put("load", {61: None}, job="a", host="1")
    steady("load", 3, 0, 300, job="a", host="2")
    assert play(group, range(0, 150, 15))[1:] == [(90, "firing", "resolved", "missing_series")]


def test_a_query_that_fails_resolves_nothing_and_is_told_after_the_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = group_of(HIGH.replace("labels:", "for: 60s\n  labels:"))
    steady("load", 9, 0, 300, host="a")
    assert len(play(group, range(0, 76, 15))) == 2
    with monkeypatch.context() as patch:
        for name in ("LIMITS", "ALONE"):
            patch.setattr(reading, name, promql.Limits(series=0))
        assert play(group, range(90, 271, 15)) == [
            (90, "inactive", "pending", "condition_true"),
            (150, "pending", "firing", "condition_held"),
        ]
        (failing,) = state().rules.values()
        assert "more than the 0 series" in failing.error
    assert play(group, [285]) == [(285, "firing", "resolved", "condition_false")]
    assert [name for _, name, *_ in events()] == ["High", "High", *["DatasourceError"] * 3]


def test_rules_that_fail_spare_the_others() -> None:
    group = group_of(
        """
- alert: Twice
  expr: label_replace(load, "host", "", "", "") > 5
- record: bad
  expr: load + on () load
"""
        + HIGH
    )
    for host in "ab":
        steady("load", 9, 0, 60, host=host)
    done = run(group, 30)
    assert done is not None
    assert set(done.failed) == {"Twice", "bad"}
    names = [change.alert.name for change in done.transitions]
    assert sorted(names) == ["DatasourceError", "High", "High"]
    assert [one.error != "" for one in state().rules.values()] == [True, True, False]


def test_the_limit_fails_the_rule_and_resolves_nothing() -> None:
    group = group_of(HIGH, options="    limit: 2\n")
    for host in "ab":
        steady("load", 9, 0, 300, host=host)
    assert len(steps(run(group, 0))) == 2
    steady("load", 9, 10, 300, host="c")
    done = run(group, 15)
    assert done is not None
    assert done.failed == {"High": "exceeded limit of 2 with 3 alerts"}
    assert [change.alert.name for change in done.transitions] == ["DatasourceError"]


def test_the_resolve_threshold_keeps_what_fires() -> None:
    group = group_of(f"{HIGH}  x-watchfleet: {{resolve_threshold: 3}}\n")
    put("load", {0: 4.0, 15: 6.0, 30: 4.0, 45: 2.0, 60: 4.0, 75: 4.0}, host="a")
    assert play(group, range(0, 76, 15)) == [
        (15, "inactive", "firing", "condition_held"),
        (45, "firing", "resolved", "condition_false"),
    ]


def test_the_pending_threshold_makes_known_what_comes_near() -> None:
    group = group_of(f"{HIGH}  x-watchfleet: {{pending_threshold: 3, resolve_threshold: 4}}\n")
    put("load", {0: 4.0, 15: 6.0, 30: 4.5, 45: 3.5, 60: 3.5, 75: 2.0}, host="a")
    assert play(group, range(0, 76, 15)) == [
        (0, "inactive", "pending", "over_pending_threshold"),
        (15, "pending", "firing", "condition_held"),
        (45, "firing", "resolved", "condition_false"),
        (60, "resolved", "pending", "over_pending_threshold"),
        (75, "pending", "inactive", "condition_false"),
    ]


def test_recorded_series_serve_later_rules_at_the_same_instant_and_end() -> None:
    group = group_of(
        """
- record: job:load:sum
  expr: sum by (job) (load)
  labels: {from: rule}
- alert: Sum
  expr: job:load:sum > 5
"""
    )
    steady("load", 4, 0, 60, job="a", host="1")
    steady("load", 4, 0, 60, job="a", host="2")
    steady("load", 1, 0, 300, job="b")
    assert [step[2] for step in play(group, [0])] == ["firing"]
    found = value("job:load:sum", 0)
    assert found == [
        ({"__name__": "job:load:sum", "job": "a", "from": "rule"}, 8),
        ({"__name__": "job:load:sum", "job": "b", "from": "rule"}, 1),
    ]
    put("load", {61: None}, job="a", host="1")
    put("load", {61: None}, job="a", host="2")
    run(group, 75)
    assert [labels["job"] for labels, _ in value("job:load:sum", 75)] == ["b"]


def test_alerts_are_series() -> None:
    group = group_of(f"{HIGH}  for: 30s\n")
    steady("load", 9, 0, 60, host="a")
    put("load", {75: 1.0}, host="a")
    play(group, [0, 15])
    labels = {"alertname": "High", "host": "a", "severity": "warning"}
    assert value("ALERTS", 15) == [({"__name__": "ALERTS", "alertstate": "pending", **labels}, 1)]
    assert value("ALERTS_FOR_STATE", 15) == [({"__name__": "ALERTS_FOR_STATE", **labels}, at(0).timestamp())]
    run(group, 30)
    assert [found["alertstate"] for found, _ in value("ALERTS", 30)] == ["firing"]
    run(group, 75)
    assert value("ALERTS", 75) == []


def test_a_query_offset_looks_back() -> None:
    group = group_of(HIGH, options="    query_offset: 60s\n")
    put("load", {0: 1.0, 30: 9.0}, host="a")
    assert play(group, [30, 45, 90]) == [(90, "inactive", "firing", "condition_held")]
    assert np.isclose(value("ALERTS", 30)[0][1], 1)


def test_two_evaluators_act_once() -> None:
    group = group_of(HIGH)
    steady("load", 9, 0, 60, host="a")
    ready = Barrier(4)

    def race(_: int) -> int:
        ready.wait()
        with transaction() as connection:
            if not try_lock(connection, Lock.RULES, lock_shard(group.key)):
                return 0
            done = evaluate_group(connection, Due(group, at(30)))
        return len(done.transitions) if done else 0

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(race, range(4))) == 1
    assert len(rows()) == 1


def test_a_rule_s_own_channels_are_told() -> None:
    group = group_of(f"{HIGH}  x-watchfleet: {{channels: [email]}}\n")
    steady("load", 9, 0, 60, host="a")
    run(group, 0, ("log", "email", "slack"))
    assert [row.channel for row in rows()] == ["email"]


def test_switching_a_rule_off_ends_its_alerts_with_that_reason() -> None:
    steady("load", 9, 0, 60, host="a")
    run(group_of(HIGH), 0)
    off = group_of(HIGH, overrides={"High": Override(enabled=False)})
    assert steps(run(off, 15)) == [("firing", "resolved", "rule_disabled")]


def test_a_rule_that_is_gone_ends_its_alerts_with_that_reason_but_not_for_a_fault_in_its_file() -> None:
    steady("load", 9, 0, 60, host="a")
    run(group_of(HIGH), 0)
    other = group_of("- alert: Other\n  expr: load > 100")
    assert steps(run(other, 15, is_doubtful=True)) == []
    assert steps(run(other, 30)) == [("firing", "resolved", "not_watched_any_more")]


def test_late_evaluations_are_counted() -> None:
    group = group_of(HIGH)
    run(group, 0)
    run(group, 75, skipped=4)
    assert (state().evaluations, state().skipped) == (2, 4)
