"""The rules that come with the fleet: sound, complete, and as their tests say."""

import pytest
from click.testing import CliRunner
from support.servers import ROOT

from watchfleet.cli import cli
from watchfleet.rules.files import load
from watchfleet.rules.library import BUILTIN
from watchfleet.rules.model import Rule

FILES = sorted(BUILTIN.glob("*.yml"))
RULES = [rule for path in FILES for group in load(path).file.groups for rule in group.rules]
NINE = {
    "DependencyDown",
    "ScrapeSuccessRateLow",
    "ScrapingStalled",
    "DataStale",
    "EngagementDrop",
    "SlowQueries",
    "MemoryLeakSuspected",
    "ResourceExhaustion",
    "CircuitOpen",
}


def test_they_are_all_there() -> None:
    assert [problem for path in FILES for problem in load(path).problems] == []
    assert {rule.name for rule in RULES} >= NINE


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_says_what_to_do_and_lets_itself_be_changed(rule: Rule) -> None:
    assert {"summary", "description", "runbook_url"} <= set(rule.annotations)
    assert (ROOT / rule.annotations["runbook_url"]).is_file()
    options = [rule.options.params.get(name) for name in rule.parameters]
    assert all(option is not None and option.env and option.description for option in options)


def test_they_pass_their_tests() -> None:
    files = [str(path) for path in sorted((ROOT / "tests" / "rules").glob("*.test.yml"))]
    done = CliRunner().invoke(cli, ["rules", "test", *files])
    assert done.exit_code == 0, done.output
    assert done.output.count("SUCCESS") == len(files) == 2
