"""Warnings: what is no fault and may still be a slip."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from watchfleet.cli import cli
from watchfleet.rules.files import parse_rules
from watchfleet.rules.lint import warnings_of


def warnings(*rules: str) -> list[str]:
    text = "groups:\n- name: g\n  rules:\n" + "".join(f"  - {rule}\n" for rule in rules)
    loaded = parse_rules(text, Path("r.yml"))
    assert loaded.problems == ()
    return [str(warning) for warning in warnings_of([loaded.file])]


@pytest.mark.parametrize(
    ("rules", "warning"),
    [
        (
            ("{record: r, expr: up}", "{record: r, expr: down}"),
            "r.yml:5:5: r stands there already, at r.yml:4:5",
        ),
        (("{alert: A, expr: up > 1}", "{alert: A, expr: up>1}"), "r.yml:5:5: A stands there already"),
        (("{alert: A, expr: 1 + 1}",), "r.yml:4:5: A: the expression looks at no series"),
        (("{alert: A, expr: up == bool 0}",), "r.yml:4:5: A: `== bool` answers 0 or 1"),
        (("{alert: A, expr: up, labels: {v: '{{ $value }}'}}",), "r.yml:4:5: A: the label v holds the value"),
        (("{alert: A, expr: up, labels: {v: '{{ .Value | humanize }}'}}",), "r.yml:4:5: A: the label v"),
    ],
)
def test_a_slip(rules: tuple[str, ...], warning: str) -> None:
    found = warnings(*rules)
    assert len(found) == 1
    assert found[0].startswith(warning)


def test_what_is_no_slip() -> None:
    assert (
        warnings(
            "{record: r, expr: up, labels: {a: b}}",
            "{record: r, expr: up, labels: {a: c}}",
            "{alert: A, expr: up > 1}",
            "{alert: A, expr: up > 2}",
            "{alert: B, expr: (up > bool 2) == 1, labels: {v: '{{ $labels.value }}'}}",
        )
        == []
    )


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["rules", "check", *map(str, arguments)])


def test_the_command(tmp_path: Path) -> None:
    good, slip, bad = (tmp_path / name for name in ("good.yml", "slip.yml", "bad.yml"))
    good.write_text("groups: [{name: g, rules: [{alert: A, expr: up}, {record: r, expr: up}]}]")
    slip.write_text("groups: [{name: g, rules: [{alert: A, expr: '1'}]}]")
    bad.write_text("groups: [{name: g, rules: [{alert: A, expr: up, for: 5}, {alert: B, expr: up}]}]")
    said = check(good)
    assert (said.exit_code, said.output) == (0, f"{good}: fine; 1 alerting rule, 1 recording rule\n")
    said = check(slip)
    assert said.exit_code == 0
    assert said.stderr.startswith(f"  warning: {slip}:1:28: A: the expression looks at no series")
    assert check("--strict", slip).exit_code == 2
    said = check(good, bad)
    assert said.exit_code == 2
    assert f"{bad}: 1 problem; 1 alerting rule, 0 recording rules without one" in said.stdout
    assert said.stderr.startswith(f"  {bad}:1:49: for: '5' is not a duration")
