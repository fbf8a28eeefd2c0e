"""Rule files: Prometheus's format as it reads it, ours under x-watchfleet, every fault with its place."""

from datetime import timedelta
from pathlib import Path

import pytest

from watchfleet.rules.files import load, parse_rules
from watchfleet.rules.model import Missing, Rule, RuleKind

PATH = Path("r.yml")


def only_rule(body: str) -> Rule:
    loaded = parse_rules(f"groups:\n- name: g\n  rules:\n{body}", PATH)
    assert loaded.problems == ()
    return loaded.file.groups[0].rules[0]


def problems(text: str) -> list[str]:
    return [str(problem) for problem in parse_rules(text, PATH).problems]


def in_group(body: str) -> list[str]:
    return problems(f"groups:\n- name: g\n  rules:\n{body}")


def test_a_file_in_full() -> None:
    loaded = parse_rules(
        """
groups:
  - name: g
    interval: 30s
    query_offset: 1m
    limit: 10
    labels: {team: sre, severity: info}
    x-watchfleet: {channels: [email], no_data: ok}
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: Down
        expr: up == 0
        for: 1h30m
        keep_firing_for: 5m
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.job }} is down"}
        x-watchfleet: {enabled: false, no_data: alerting, on_error: keep_last_state, dedup_window: 1h}
""",
        PATH,
    )
    assert loaded.problems == ()
    group = loaded.file.groups[0]
    assert (group.name, group.interval, group.query_offset, group.limit) == (
        "g", timedelta(seconds=30), timedelta(minutes=1), 10,
    )  # fmt: skip
    record, alert = group.rules
    assert (record.kind, record.name, record.labels["team"]) == (RuleKind.RECORD, "job:up:sum", "sre")
    assert (alert.kind, alert.hold, alert.keep_firing) == (
        RuleKind.ALERT, timedelta(minutes=90), timedelta(minutes=5),
    )  # fmt: skip
    assert alert.labels == {"team": "sre", "severity": "critical"}
    assert (alert.at.line, alert.at.column) == (12, 9)
    assert alert.options.channels == ("email",)
    assert not alert.options.enabled
    assert (alert.options.no_data, alert.options.on_error) == (Missing.ALERTING, Missing.KEEP)


def test_texts_are_taken_as_they_are_written() -> None:
    rule = only_rule("  - {alert: 1, expr: 1, labels: {a: 1.10, b: yes, c: null, d: 2020-01-01}}")
    assert (rule.name, rule.expr.text) == ("1", "1")
    assert rule.labels == {"a": "1.10", "b": "yes", "c": "", "d": "2020-01-01"}


def test_aliases_and_merges() -> None:
    text = "groups:\n- name: g\n  rules:\n  - &a {alert: A, expr: up, for: 1m}\n  - {<<: *a, alert: B}\n"
    first, second = parse_rules(text, PATH).file.groups[0].rules
    assert (first.name, second.name, second.hold) == ("A", "B", timedelta(minutes=1))


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("  - {expr: up}", "r.yml:4:5: the rule has no name"),
        ("  - {alert: A}", "r.yml:4:5: the rule has no expr"),
        ("  - {alert: A, record: b, expr: up}", "r.yml:4:5: a rule is either `alert` or `record`, not both"),
        ("  - {alert: A, expr: up, foor: 1m}", "r.yml:4:26: a rule has no field 'foor' (did you mean for?)"),
        ("  - {alert: A, expr: up, for: 1}", "r.yml:4:26: for: '1' is not a duration"),
        ("  - {alert: A, expr: up, for: [1m]}", "r.yml:4:26: for: a list stands where a text is needed"),
        ("  - {alert: A, expr: 'up[5m]'}", "r.yml:4:23: expr: it gives a range vector"),
        ("  - {record: A, expr: up, for: 1m}", "r.yml:4:27: a recording rule has no for (drop it)"),
        ("  - {record: 'a{b=\"c\"}', expr: up}", "r.yml:4:6: record: 'a{b=\"c\"}' holds braces"),
        ("  - {alert: A, expr: up, labels: {__name__: x}}", "r.yml:4:35: '__name__' is no name for a label"),
        ("  - {alert: A, expr: up, expr: up}", "r.yml:4:26: expr is given twice, first on line 4"),
        ("  - {alert: A, expr: up, labels: {a: '{{ $x }}'}}", "r.yml:4:42: a: template: undefined variable"),
        ("  - {alert: A, expr: up, annotations: {a: '{{ foo }}'}}", "r.yml:4:47: a: template: function"),
        ("  - nothing", "r.yml:4:5: a text stands where a mapping"),
    ],
)
def test_a_faulty_rule_is_named_with_its_place(rule: str, problem: str) -> None:
    found = in_group(rule)
    assert any(line.startswith(problem) for line in found), found


@pytest.mark.parametrize(
    "expr",
    [
        "up + foo(1)",
        "'up + foo(1)'",
        '"up + foo(1)"',
        '"\\"a\\" + foo(1)"',
        "'label_join(''its'', foo(1))'",
        "|\n      up\n      + foo(1)",
        ">-\n      up\n\n\n      + foo(1)",
        "up\n      + foo(1)",
        "|2\n         up + foo(1)",
        '"up\n      +\\\n      foo(1)"',
    ],
)
def test_the_place_in_an_expression_is_that_in_the_file(expr: str) -> None:
    text = f"groups:\n- name: g\n  rules:\n  - alert: AAA\n    expr: {expr}"
    found = parse_rules(text, PATH).problems
    assert "unknown function" in str(found[0])
    assert found[0].line is not None
    assert found[0].column is not None
    assert text.split("\n")[found[0].line - 1][found[0].column - 1 :].startswith("foo(1)"), found


def test_a_faulty_rule_stops_no_other() -> None:
    text = (
        "groups:\n- name: g\n  rules:\n  - {alert: A, expr: 'up ='}\n  - {alert: B, expr: up}\n"
        "- {name: g}\n- name: h\n"
    )
    loaded = parse_rules(text, PATH)
    assert [group.name for group in loaded.file.groups] == ["g", "h"]
    assert [rule.name for rule in loaded.file.groups[0].rules] == ["B"]
    assert [problem.line for problem in loaded.problems] == [4, 6]


def test_a_group_without_rules_and_an_empty_file() -> None:
    assert parse_rules("", PATH) == parse_rules("# nothing\n", PATH)
    assert problems("groups:\n") == []
    assert problems("groups:\n- name: g\n") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("groups: [", "r.yml:2:1: not YAML"),
        ("- a", "r.yml:1:1: a list stands where a mapping"),
        ("group: []", "r.yml:1:1: a rule file has no field 'group' (did you mean groups?)"),
        ("groups: {}", "r.yml:1:1: groups: a mapping stands where a list"),
        ("groups:\n- {}", "r.yml:2:3: the group has no name"),
        ("groups:\n- {name: g, limit: -1}", "r.yml:2:13: limit: '-1' is not a whole number"),
        ("groups:\n- {name: g, interval: 1.5m}", "r.yml:2:13: interval: '1.5m' is not a duration"),
        ("groups:\n- {name: g}\n- {name: g}", "r.yml:3:3: there is another group 'g'"),
        ("a: " + "[" * 200_000, "r.yml:1:103: not YAML that can be used: it nests deeper than 100 levels"),
    ],
)
def test_a_faulty_file_is_named_with_its_place(text: str, problem: str) -> None:
    found = problems(text)
    assert found[0].startswith(problem), found


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    loaded = load(tmp_path / "none.yml")
    assert "none.yml: cannot be read" in str(loaded.problems[0])
    assert loaded.file.groups == ()


@pytest.mark.parametrize(
    ("ours", "problem"),
    [
        (
            "{enable: true}",
            "r.yml:5:20: x-watchfleet of a rule has no field 'enable' (did you mean enabled?)",
        ),
        ("{enabled: maybe}", "r.yml:5:20: enabled: 'maybe' is neither true nor false"),
        ("{no_data: silence}", "r.yml:5:20: no_data: 'silence' is none of its values"),
        ("{channels: ['']}", "r.yml:5:31: channels: a channel has no name"),
        ("{resolve_threshold: high}", "r.yml:5:20: resolve_threshold: 'high' is not a number"),
        ("{resolve_threshold: 0.8}", "r.yml:5:20: resolve_threshold: 0.8 is below the threshold 0.9"),
        ("{pending_threshold: 0.8}", "r.yml:5:20: pending_threshold: 0.8 is below the threshold 0.9"),
        ("{params: {x: 1}}", "r.yml:5:29: params: the expression has no parameter $x; it has threshold"),
        ("{params: {threshold: 5m}}", "r.yml:5:29: params: $threshold is a number, '5m' is none"),
    ],
)
def test_faults_in_our_own_fields(ours: str, problem: str) -> None:
    body = f"  - alert: A\n    x-watchfleet: {ours}\n    expr: |\n      ratio < 0.9  # $threshold\n"
    found = in_group(body)
    assert any(line.startswith(problem) for line in found), found


def test_a_file_of_aliases_upon_aliases_ends() -> None:
    rules = "  - &r {alert: A, expr: up}\n" + "  - *r\n" * 500
    text = f"groups:\n- &g\n  name: g\n  rules:\n{rules}" + "".join(
        f"- {{<<: *g, name: g{number}}}\n" for number in range(100)
    )
    assert any("more than 20000 rules" in problem for problem in problems(text))
