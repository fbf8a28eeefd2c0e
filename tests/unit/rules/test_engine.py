"""One rule at one instant: identities, recorded series, and what makes an evaluation fail."""

from pathlib import Path

import pytest

from watchfleet import promql
from watchfleet.rules.engine import EvaluationError, Instance, Surroundings, evaluate, instances, recorded
from watchfleet.rules.files import parse_rules
from watchfleet.rules.model import Rule
from watchfleet.rules.thresholds import with_threshold


def rule(body: str) -> Rule:
    loaded = parse_rules(f"groups:\n- name: g\n  rules:\n  - {body}", Path("r.yml"))
    assert loaded.problems == ()
    return loaded.file.groups[0].rules[0]


@pytest.fixture
def source() -> promql.MemorySeries:
    memory = promql.MemorySeries()
    for job, value in (("a", 1.0), ("b", 0.0)):
        memory.append({"__name__": "up", "job": job, "zone": "x"}, [0], [value])
    return memory


def test_an_alerts_identity_and_texts(source: promql.SeriesSource) -> None:
    one = rule(
        "{alert: Down, expr: up == 0,"
        " labels: {zone: '', kind: '{{ $labels.__name__ }}', job: 'is-{{ $labels.job }}'},"
        " annotations: {text: '{{ $labels.job }} {{ $value }} {{ $externalLabels.r }}', empty: ''}}"
    )
    around = Surroundings(external_labels={"r": "eu"})
    assert instances(one, source, 0, surroundings=around) == [
        Instance({"alertname": "Down", "job": "is-b", "kind": "up"}, {"text": "b 0 eu", "empty": ""}, 0.0)
    ]


def test_a_number_is_an_alert_without_labels(source: promql.SeriesSource) -> None:
    assert instances(rule("{alert: A, expr: 1 + 1}"), source, 0) == [Instance({"alertname": "A"}, {}, 2.0)]


def test_another_expression_in_place_of_the_rules_own(source: promql.SeriesSource) -> None:
    one = rule("{alert: A, expr: up > 1}")
    assert instances(one, source, 0) == []
    assert len(instances(one, source, 0, with_threshold(one.expr, 0.5))) == 1


def test_two_alerts_with_one_identity_fail(source: promql.SeriesSource) -> None:
    with pytest.raises(EvaluationError, match="same labelset after applying alert labels"):
        instances(rule("{alert: A, expr: up, labels: {job: x}}"), source, 0)


def test_recorded_series(source: promql.SeriesSource) -> None:
    one = rule("{record: job:up, expr: up, labels: {zone: '', by: us}}")
    assert recorded(one, source, 0) == [
        ({"__name__": "job:up", "by": "us", "job": "a"}, 1.0),
        ({"__name__": "job:up", "by": "us", "job": "b"}, 0.0),
    ]


def test_two_recorded_series_with_the_same_labels_fail(source: promql.SeriesSource) -> None:
    with pytest.raises(EvaluationError, match="same labelset after applying rule labels"):
        recorded(rule("{record: r, expr: up, labels: {job: x}}"), source, 0)


def test_a_template_asks_at_the_time_of_the_evaluation(source: promql.SeriesSource) -> None:
    one = rule(
        "{alert: A, expr: 1, annotations: {n: '{{ query \"count(up)\" | first | value }}',"
        " bad: '{{ query \"up{\" }}'}}"
    )
    found = instances(one, source, 0)[0].annotations
    assert found["n"] == "2"
    assert "error calling query: 1:4: parse error" in found["bad"]


def test_what_is_neither_a_vector_nor_a_number(source: promql.SeriesSource) -> None:
    with pytest.raises(EvaluationError, match="not a vector or scalar"):
        evaluate("up[5m]", source, 0)
