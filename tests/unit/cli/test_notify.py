"""`watchfleet notify`: exit codes and what is said."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from watchfleet.cli import cli

GOOD = """
route:
  receiver: team
  routes:
    - {matchers: [severity="critical"], receiver: pager, continue: true}
    - {matchers: [team="web"], mute_time_intervals: [nights]}
receivers:
  - {name: team, log_configs: [{}]}
  - {name: pager, pagerduty_configs: [{routing_key: x}]}
time_intervals: [{name: nights, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}]}]}]
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "am.yml"
    path.write_text(GOOD)
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["notify", *words])


def test_a_good_file_is_fine_and_its_notes_are_told(file: Path) -> None:
    said = run("check", str(file))
    assert said.exit_code == 0
    assert "fine; 3 routes, 2 receivers, 0 inhibit rules, 1 time interval" in said.stdout
    assert f'note: {file}:9: receiver "pager": there is no channel for pagerduty_configs' in said.stderr


def test_a_bad_file_ends_with_2_and_one_line_for_each_fault(file: Path) -> None:
    file.write_text(GOOD.replace("[nights]", "[night]").replace("receiver: pager", "receiver: page"))
    said = run("check", str(file))
    assert said.exit_code == 2
    assert [line.partition(": ")[2].rpartition(" (")[0] for line in said.stderr.splitlines()[1:]] == [
        f'{file}:5: there is no receiver "page"',
        f'{file}:6: there is no time interval "night"',
    ]


def test_the_route_is_told_and_why(file: Path) -> None:
    said = run("routes", "test", "--config", str(file), "severity=critical", "team=shop")
    assert said.exit_code == 0
    assert said.stdout.splitlines() == [
        "{} -> team: matches, and a route below it takes the alert",
        '  {severity="critical"} -> pager: taken, and continues',
        '  {team="web"} -> team: no, team="web" does not hold',
        'group {}/{severity="critical"}:{}',
        "  told: nobody, pager has no channel",
        "receivers: pager",
    ]


def test_an_expectation_that_does_not_hold_ends_with_1(file: Path) -> None:
    words = ("routes", "test", "--config", str(file), "team=web")
    assert run(*words, "--expect", "team").exit_code == 0
    assert run(*words, "--expect", "pager").exit_code == 1
    assert run("routes", "test", "web").exit_code == 2


def test_without_a_configuration_alerts_go_out_by_severity(file: Path) -> None:
    assert "alerts go out by severity" in run("check").stdout
    assert "default/log[0]" in run("routes", "test", "severity=info").stdout


def test_the_tree_is_shown(file: Path) -> None:
    lines = run("routes", "show", "--config", str(file)).stdout.splitlines()
    assert lines[2] == (
        '  {team="web"} -> team, grouped by nothing, wait 30s, interval 5m, repeat 4h, not during nights'
    )


def test_the_configuration_in_force_is_the_one_that_the_settings_name(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_CONFIG", str(file))
    assert "fine; 3 routes" in run("check").stdout
    (file.parent / "watchfleet.yml").write_text("notify:\n  route: {receiver: nobody}\n  receivers: []\n")
    monkeypatch.delenv("NOTIFY_CONFIG")
    said = run("check")
    assert (said.exit_code, said.stderr.partition(" (")[0]) == (
        2,
        'watchfleet: watchfleet.yml:2: there is no receiver "nobody"',
    )
    checked = CliRunner().invoke(cli, ["config", "check"])
    assert (checked.exit_code, 'there is no receiver "nobody"' in checked.stderr) == (2, True)
