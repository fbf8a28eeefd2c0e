"""Rule tests in promtool's format: what passes, what fails, and how it is told."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from watchfleet.cli import cli
from watchfleet.rules.unittests.suite import FileResult, run_file

RULES = """
groups:
  - name: first
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: Down
        expr: up == 0
        for: 2m
        keep_firing_for: 2m
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.job }} in {{ $externalLabels.zone }} at {{ externalURL }}"}
  - name: second
    rules:
      - alert: AnyDown
        expr: job:up:sum < 2
      - alert: Alerting
        expr: count(ALERTS{alertstate="firing", alertname="Down"}) > 0
      - alert: Since
        expr: time() - ALERTS_FOR_STATE{alertname="Down"} >= 180
"""


def run(tmp_path: Path, test: str, rules: str = RULES) -> FileResult:
    (tmp_path / "rules.yml").write_text(rules)
    (tmp_path / "test.yml").write_text(f"rule_files: [ru*.yml]\n{test}")
    return run_file(tmp_path / "test.yml")


def got(result: FileResult) -> list[str]:
    assert [str(problem) for problem in result.problems] == []
    return [f"{failure.heading}: {failure.got}" for group in result.groups for failure in group.failures]


def complaints(result: FileResult) -> list[str]:
    return [str(problem).partition("test.yml:")[2] for problem in result.problems]


SERIES = """
tests:
  - interval: 1m
    name: a test
    external_labels: {zone: eu}
    external_url: https://fleet.example.org
    input_series:
      - {series: 'up{job="a", instance="1"}', values: '1 1 0x3 1x10'}
      - {series: 'up{job="a", instance="2"}', values: '1x20'}
"""
FIRES = """
          - exp_labels: {severity: critical, job: a, instance: 1}
            exp_annotations: {summary: a in eu at https://fleet.example.org}
"""


@pytest.mark.parametrize(
    ("time", "fires"),
    [
        ("1m", False),
        ("3m", False),
        ("4m", True),
        ("5m59s", True),
        ("7m", True),
        ("8m", False),
        ("10m", False),
    ],
)
def test_for_and_keep_firing_for(tmp_path: Path, time: str, fires: bool) -> None:
    case = f"    alert_rule_test:\n      - {{eval_time: {time}, alertname: Down, exp_alerts: []}}\n"
    if fires:
        case = "    alert_rule_test:\n      - alertname: Down\n"
        case += f"        eval_time: {time}\n        exp_alerts:{FIRES}"
    assert got(run(tmp_path, SERIES + case)) == []


def test_recorded_series_and_alerts_are_there_for_later_rules_and_expressions(tmp_path: Path) -> None:
    cases = """
    alert_rule_test:
      - {eval_time: 2m, alertname: AnyDown, exp_alerts: [{exp_labels: {job: a}}]}
      - {eval_time: 4m, alertname: Alerting, exp_alerts: [{}]}
      - {eval_time: 4m, alertname: Since, exp_alerts: []}
      - eval_time: 5m
        alertname: Since
        exp_alerts: [{exp_labels: {job: a, instance: 1, severity: critical}}]
    promql_expr_test:
      - expr: job:up:sum
        eval_time: 3m
        exp_samples: [{labels: 'job:up:sum{job="a"}', value: 1}]
      - expr: sum without (severity) (ALERTS)
        eval_time: 3m
        exp_samples:
          - {labels: '{alertname="Down", alertstate="pending", instance="1", job="a"}', value: 1}
          - {labels: '{alertname="AnyDown", alertstate="firing", job="a"}', value: 1}
      - expr: ALERTS_FOR_STATE{alertname="Down"}
        eval_time: 4m
        exp_samples:
          - labels: 'ALERTS_FOR_STATE{alertname="Down", instance="1", job="a", severity="critical"}'
            value: 120
      - {expr: 'time()', eval_time: 90s, exp_samples: [{labels: '{}', value: 90}]}
      - {expr: '1 / 0 - 1 / 0', exp_samples: [{value: .nan}]}
      - {expr: vector(-1) / 0, exp_samples: [{labels: '{}', value: -.inf}]}
"""
    assert got(run(tmp_path, SERIES + cases)) == []


def test_what_is_not_as_expected_is_told(tmp_path: Path) -> None:
    cases = f"""
    alert_rule_test:
      - {{eval_time: 4m, alertname: Down}}
      - eval_time: 1m
        alertname: Down
        exp_alerts:{FIRES}
    promql_expr_test:
      - {{expr: count(up), eval_time: 1m, exp_samples: [{{labels: '{{}}', value: 2.5}}]}}
      - {{expr: 'up{{', eval_time: 1m}}
      - {{expr: 'up[5m]', eval_time: 1m}}
"""
    found = got(run(tmp_path, SERIES + cases))
    headings = [text.split(": ")[1].split(",")[0] for text in found]
    assert headings == ["Down", "Down", '"count(up)"', '"up{"', '"up[5m]"']
    assert found[2].endswith("{} 2E+00")
    assert "parse error" in found[3]
    assert "not a vector or scalar" in found[4]


def test_a_rule_that_fails_ends_the_test(tmp_path: Path) -> None:
    rules = "groups: [{name: g, rules: [{alert: A, expr: up, labels: {instance: x}}]}]"
    case = "    alert_rule_test:\n      - {eval_time: 5m, alertname: A}\n"
    found = got(run(tmp_path, SERIES + case, rules))
    assert found == [
        "rule: A, time: 0s: vector contains metrics with the same labelset after applying alert labels"
    ]


def test_a_limit(tmp_path: Path) -> None:
    rules = "groups: [{name: g, limit: 1, rules: [{alert: A, expr: up}]}]"
    found = got(run(tmp_path, SERIES + "    alert_rule_test: [{alertname: A}]\n", rules))
    assert found == ["rule: A, time: 0s: exceeded limit of 1 with 2 alerts"]


def test_the_order_of_groups(tmp_path: Path) -> None:
    rules = """
groups:
  - {name: late, rules: [{alert: A, expr: r == 5}]}
  - {name: early, rules: [{record: r, expr: vector(time() / 60)}]}
"""
    case = "tests:\n  - alert_rule_test: [{alertname: A, eval_time: 5m, exp_alerts: [{}]}]\n"
    assert got(run(tmp_path, f"group_eval_order: [early, late]\n{case}", rules)) == []
    assert len(got(run(tmp_path, case, rules))) == 1


def test_a_test_that_starts_at_another_time(tmp_path: Path) -> None:
    for start in ("1609459200", "2021-01-01T00:00:00Z", '"2021-01-01T01:00:00+01:00"'):
        test = f"""
tests:
  - start_timestamp: {start}
    interval: 30s
    input_series: [{{series: x, values: 1 2 3}}]
    promql_expr_test:
      - {{expr: year(), eval_time: 1m, exp_samples: [{{labels: '{{}}', value: 2021}}]}}
      - {{expr: timestamp(x), eval_time: 1m, exp_samples: [{{labels: '{{}}', value: 1609459260}}]}}
"""
        assert got(run(tmp_path, test)) == []


def test_a_difference_in_the_last_bit(tmp_path: Path) -> None:
    case = "{expr: vector(0.1) + 0.2, exp_samples: [{labels: '{}', value: 0.3}]}"
    test = f"tests: [{{promql_expr_test: [{case}]}}]\n"
    assert len(got(run(tmp_path, test))) == 1
    assert got(run(tmp_path, f"fuzzy_compare: true\n{test}")) == []


def test_samples_that_come_later_are_not_there_yet(tmp_path: Path) -> None:
    rules = "groups: [{name: g, rules: [{alert: A, expr: x offset -2m > 2}, {alert: B, expr: x @ 120 > 2}]}]"
    test = """
tests:
  - input_series: [{series: x, values: 1 2 3 4 5}]
    alert_rule_test:
      - {alertname: A, eval_time: 1m}
      - {alertname: A, eval_time: 2m, exp_alerts: [{}]}
      - {alertname: B, eval_time: 1m}
      - {alertname: B, eval_time: 3m, exp_alerts: [{}]}
"""
    assert got(run(tmp_path, test, rules)) == []


def test_a_query_offset_and_series_that_end(tmp_path: Path) -> None:
    rules = """
groups:
  - {name: g, query_offset: 1m, rules: [{alert: A, expr: x == 2}, {record: y, expr: x > 1}]}
"""
    test = """
tests:
  - input_series: [{series: x, values: 1 2 stale _ 5}]
    alert_rule_test: [{alertname: A, eval_time: 2m, exp_alerts: [{}]}, {alertname: A, eval_time: 3m}]
    promql_expr_test:
      - {expr: y, eval_time: 1m, exp_samples: [{labels: y, value: 2}]}
      - {expr: y, eval_time: 2m}
      - {expr: x, eval_time: 3m}
"""
    assert got(run(tmp_path, test, rules)) == []


def test_parameters_and_the_resolve_threshold(tmp_path: Path) -> None:
    rules = """
groups:
  - name: g
    rules:
      - alert: High
        expr: |
          x > 90  # $limit
        annotations: {text: "above {{ $params.limit }}"}
        x-watchfleet: {params: {limit: 80}, resolve_threshold: 50}
"""
    test = """
tests:
  - input_series: [{series: x, values: 60 85 60 40 60}]
    alert_rule_test:
      - {alertname: High}
      - {alertname: High, eval_time: 1m, exp_alerts: [{exp_annotations: {text: above 80}}]}
      - {alertname: High, eval_time: 2m, exp_alerts: [{exp_annotations: {text: above 80}}]}
      - {alertname: High, eval_time: 3m}
      - {alertname: High, eval_time: 4m}
"""
    assert got(run(tmp_path, test, rules)) == []


def test_over_the_pending_threshold_it_is_pending_however_long(tmp_path: Path) -> None:
    rules = """
groups:
  - name: g
    rules:
      - alert: High
        expr: x > 90
        x-watchfleet: {pending_threshold: 50}
"""
    test = """
tests:
  - input_series: [{series: x, values: 40 60 70 95 60 40}]
    promql_expr_test:
      - {expr: ALERTS, eval_time: 0m}
      - expr: count by (alertstate) (ALERTS)
        eval_time: 1m
        exp_samples: [&pending {labels: '{alertstate="pending"}', value: 1}]
      - {expr: count by (alertstate) (ALERTS), eval_time: 2m, exp_samples: [*pending]}
      - expr: count by (alertstate) (ALERTS)
        eval_time: 3m
        exp_samples: [{labels: '{alertstate="firing"}', value: 1}]
      - {expr: ALERTS, eval_time: 4m}
      - {expr: ALERTS, eval_time: 5m}
"""
    assert got(run(tmp_path, test, rules)) == []


def test_what_passes_only_with_the_ranges_of_prometheus_2(tmp_path: Path) -> None:
    test = """
tests:
  - input_series: [{series: x, values: 1}]
    promql_expr_test: [{expr: x, eval_time: 5m, exp_samples: [{labels: x, value: 1}]}]
"""
    result = run(tmp_path, test)
    assert result.passed
    assert result.groups[0].version == 2
    said = invoke(tmp_path)
    assert said.exit_code == 0
    assert "WARNING" in said.stderr
    assert invoke(tmp_path, "--prometheus", "3").exit_code == 1
    said = invoke(tmp_path, "--prometheus", "2")
    assert (said.exit_code, said.stderr) == (0, "")


@pytest.mark.parametrize(
    ("test", "complaint"),
    [
        ("test: []", "2:1: a file of tests has no field 'test' (did you mean tests?)"),
        ("evaluation_interval: soon", "2:1: evaluation_interval: 'soon' is not a duration"),
        ("group_eval_order: [a, b, a]", "2:26: group_eval_order: 'a' stands there twice"),
        ("tests: [{alert_rule_test: [{eval_time: 1m}]}]", "2:28: an alert_rule_test without alertname"),
        ("tests: [{alert_rule_tests: []}]", "2:10: a test has no field 'alert_rule_tests'"),
        ("tests: [{input_series: [{series: x, values: 1 b}]}]", "2:37: input_series: x: 'b' is no value"),
        ("tests: [{input_series: [{series: 'x{', values: 1}]}]", "2:40: input_series: x{: "),
        ("tests: [{input_series: [{series: x, values: '{{schema:0}}'}]}]", "2:37: input_series: x: native"),
        (
            "tests: [{promql_expr_test: [{expr: x, exp_samples: [{labels: 'x{'}]}]}]",
            "2:54: exp_samples: 'x{'",
        ),
        (
            "tests: [{promql_expr_test: [{expr: x, exp_samples: [{value: b}]}]}]",
            "2:54: value: 'b' is not a number",
        ),
        ("tests: [{start_timestamp: tomorrow}]", "2:10: start_timestamp: 'tomorrow' is no time"),
        ("fuzzy_compare: perhaps", "2:1: fuzzy_compare: 'perhaps' is neither true nor false"),
    ],
)
def test_a_faulty_file_is_named_with_its_place(tmp_path: Path, test: str, complaint: str) -> None:
    found = complaints(run(tmp_path, test))
    assert any(text.startswith(complaint) for text in found), found


def test_a_faulty_rule_file_fails_the_test(tmp_path: Path) -> None:
    result = run(tmp_path, "tests: []", "groups: [{name: g, rules: [{alert: A}]}]")
    assert "rules.yml:1:28: the rule has no expr" in str(result.problems[0])


def test_a_test_of_ages_is_refused(tmp_path: Path) -> None:
    found = got(run(tmp_path, "tests: [{alert_rule_test: [{alertname: A, eval_time: 10y}]}]"))
    assert "more than 100000" in found[0]


def invoke(tmp_path: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["rules", "test", str(tmp_path / "test.yml"), *options])


def test_the_command_tells_as_promtool_does(tmp_path: Path) -> None:
    case = (
        "    alert_rule_test: [{alertname: AnyDown, eval_time: 3m, exp_alerts: [{exp_labels: {job: b}}]}]\n"
    )
    run(tmp_path, SERIES + case)
    said = invoke(tmp_path)
    assert said.exit_code == 1
    assert said.stdout.startswith(f"Unit Testing:  {tmp_path / 'test.yml'}\n")
    assert said.stderr.startswith("  FAILED:\n    name: a test,\n    alertname: AnyDown, time: 3m, at: ")
    assert 'Labels:{alertname="AnyDown", job="b"}' in said.stderr.partition("exp: ")[2].partition("got: ")[0]
    assert 'Labels:{alertname="AnyDown", job="a"}' in said.stderr.partition("got: ")[2]
    assert '-   Labels:{alertname="AnyDown", job="b"}' in invoke(tmp_path, "--diff").stderr
    assert invoke(tmp_path, "--run", "^another").exit_code == 0
    assert invoke(tmp_path, "--run", "^a t").exit_code == 1
    assert invoke(tmp_path, "--run", "(").exit_code == 2


def test_the_command_writes_a_junit_report(tmp_path: Path) -> None:
    case = "    alert_rule_test: [{alertname: AnyDown, eval_time: 3m}]\n"
    run(tmp_path, SERIES + case)
    invoke(tmp_path, "--junit", str(tmp_path / "report.xml"))
    report = (tmp_path / "report.xml").read_text()
    assert 'tests="1" failures="1" errors="0"' in report
    assert "alertname: AnyDown, time: 3m" in report


def test_success_and_a_pattern_without_files(tmp_path: Path) -> None:
    (tmp_path / "test.yml").write_text("rule_files: [none.yml]\ntests: []\n")
    said = invoke(tmp_path)
    assert (said.exit_code, said.stdout.splitlines()[1]) == (0, "  SUCCESS")
    assert "WARNING: no file matches" in said.stderr
