"""What the data say of alerts that an expression no longer gives."""

from collections.abc import Mapping

import pytest

from watchfleet import promql
from watchfleet.rules.evidence import Evidence
from watchfleet.rules.presence import is_about_absence, without_filters
from watchfleet.rules.state import Condition

AT = 600


def evidence(
    expression: str,
    series: Mapping[str, list[tuple[int, float]]],
    own: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Evidence:
    """Series by `name,host`, their samples by second."""
    source = promql.MemorySeries()
    for key, samples in series.items():
        name, _, host = key.partition(",")
        labels = {"__name__": name, "host": host, "job": "j"}
        source.append(labels, [at * 1000 for at, _ in samples], [value for _, value in samples])
    opened = without_filters(promql.parse(expression))
    return Evidence(opened, own or {}, source, AT, lambda: kinds or {})


def steady(until: int = AT, value: float = 1.0) -> list[tuple[int, float]]:
    return [(at, value) for at in range(300, until + 1, 15)]


ENDED = [*steady(500), (510, promql.STALE)]


@pytest.mark.parametrize(
    ("expression", "host_a", "condition"),
    [
        ("load > 5", steady(), "false"),
        ("load > 5", ENDED, "missing"),
        ("5 < load", ENDED, "missing"),
        ("load > 5 and load < 9", ENDED, "missing"),
        ("rate(load[2m]) > 5", steady(520), "missing"),
        ("rate(load[2m]) > 5", steady(), "false"),
        ("max_over_time(load[10m]) > 5", steady(400), "missing"),
        ("topk(1, load) > 5", steady(), "false"),
        ("load > on (host) group_left () (load * 2)", steady(), "false"),
        ("load > 5 unless on () maintenance == 1", steady(), "false"),
        ("load > 5 or load < -5", ENDED, "missing"),
        ("(load > 1) / load > 5", ENDED, "missing"),
    ],
)
def test_an_alert_of_one_host(expression: str, host_a: list[tuple[int, float]], condition: str) -> None:
    found = evidence(expression, {"load,a": host_a, "load,b": steady()})
    assert found.condition({"alertname": "A", "host": "a", "job": "j"}) is Condition(condition)
    assert found.has_data


def test_a_sum_is_about_all_of_its_series() -> None:
    of_job = {"alertname": "A", "job": "j", "severity": "warning"}
    own = {"severity": "warning"}
    both = evidence("sum by (job) (load) > 5", {"load,a": steady(), "load,b": steady()}, own)
    one = evidence("sum by (job) (load) > 5", {"load,a": ENDED, "load,b": steady()}, own)
    none = evidence("sum by (job) (rate(load[5m])) > 5", {"load,a": steady(450), "load,b": steady(450)}, own)
    assert [each.condition(of_job) for each in (both, one, none)] == [
        Condition.FALSE,
        Condition.MISSING,
        Condition.UNKNOWN,
    ]


def test_all_data_are_missing_when_no_selector_finds_any() -> None:
    assert not evidence("load > 5", {"load,a": ENDED}).has_data
    assert not evidence("load / limit > 5", {"load,a": steady()}).has_data
    assert evidence("load > 5 or limit > 5", {"load,a": steady()}).has_data


def test_events_are_allowed_to_be_silent() -> None:
    kinds = {"load": "event"}
    found = evidence("sum_over_time(load[2m]) > 5", {"load,a": steady(400)}, kinds=kinds)
    assert found.has_data
    assert found.condition({"alertname": "A", "host": "a", "job": "j"}) is Condition.FALSE


def test_what_is_absent_cannot_be_missing() -> None:
    expression = 'absent(up{host="a$1", job=~"x"})'
    assert is_about_absence(promql.parse(expression))
    assert not is_about_absence(promql.parse("up > 0"))
    found = evidence(expression, {})
    assert found.has_data
    assert found.condition({"alertname": "A", "host": "a$1"}) is Condition.FALSE
    assert evidence("absent(sum(up))", {}).condition({"alertname": "A"}) is Condition.FALSE
