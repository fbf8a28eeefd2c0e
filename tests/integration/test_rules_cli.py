"""The commands that list, show and change rules, and what the next evaluation makes of it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.policies import policy_for
from support.ruled import LOG, at, steady
from support.servers import use_environment

from watchfleet.cli import cli
from watchfleet.rules.evaluate import evaluate_due
from watchfleet.rules.library import get_library
from watchfleet.web import create_app

TEXT = """
groups:
  - name: shop
    interval: 15s
    rules:
      - alert: High
        expr: "load > 5  # $threshold"
      - alert: Dead
        expr: nothing_has_this_name > 1
"""


@pytest.fixture
def rules(environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "shop.yml"
    path.write_text(TEXT)
    use_environment(environment, RULE_FILES=str(path))
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["rules", *arguments])


def evaluate() -> list[str]:
    done = evaluate_due(get_library(), at(2400), policy_for(LOG), lambda _: None)
    return [f"{change.alert.name} {change.after}" for each in done for change in each.transitions]


def standing() -> dict[str, str]:
    found = json.loads(run("list", "--json").output)
    return {one["rule"]: one["standing"] for one in found["rules"] if one["group"] == "shop"}


def test_rules_are_listed_changed_and_shown_with_who_did(rules: Path) -> None:
    steady("load", 9, 2300, 2400, 5, host="a")
    assert standing() == {"High": "new", "Dead": "new"}
    assert evaluate() == ["High firing"]
    assert standing() == {"High": "firing", "Dead": "dead"}
    assert "threshold=20" in run("set", "High", "threshold=20", "for=1m").output
    assert run("disable", "shop/Dead").exit_code == 0
    assert standing()["Dead"] == "off"
    shown = run("show", "High").output
    assert "load > 20" in shown
    assert "threshold=20" in shown
    rules_seen = create_app().test_client().get("/api/rules").json
    assert rules_seen is not None
    by_name = {one["name"]: one for one in rules_seen["rules"] if one["group"] == "shop"}
    assert by_name["High"]["params"] == {"threshold": "20"}
    assert (by_name["High"]["for"], by_name["Dead"]["enabled"]) == ("1m", False)
    assert "as in its file" in run("set", "High", "threshold=", "for=").output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("set", "High", "thresold=2"), "has no parameter thresold"),
        (("set", "High", "threshold=high"), "is a number"),
        (("set", "High", "threshold"), "sets nothing"),
        (("disable", "Hihg"), "there is no rule 'Hihg'"),
    ],
)
def test_what_cannot_be_changed_is_told(rules: Path, arguments: tuple[str, ...], complaint: str) -> None:
    done = run(*arguments)
    assert done.exit_code != 0
    assert complaint in f"{done.output}{done.exception}"
