"""A rule over stored history: the same steps as live."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from support.ruled import START, at, events, group_of, put, run, steady

from watchfleet.cli import cli
from watchfleet.db.engine import transaction
from watchfleet.promql.catalogue import metrics
from watchfleet.promql.store import StoreSeries
from watchfleet.rules.backtest import Backtest, backtest, grid
from watchfleet.rules.history import recorded_instants
from watchfleet.rules.prepared import PreparedGroup

pytestmark = pytest.mark.usefixtures("environment")

RULES = """
- alert: High
  expr: "load > 5  # $threshold"
  for: 30s
  keep_firing_for: 20s
  labels: {severity: warning}
  annotations: {summary: "{{ $labels.host }} has {{ $value }}"}
- alert: Fast
  expr: rate(errors_total[1m]) > 1
"""


def history() -> None:
    """Two hosts: one that is high twice, one whose series ends; errors that stop."""
    low = [(second, 1.0) for second in range(0, 900, 5)]
    put(
        "load",
        [(second, 9.0 if 100 <= second < 200 or 400 <= second < 410 else 1.0) for second, _ in low],
        host="a",
    )
    steady("load", 8, 300, 600, 5, host="b")
    put("load", {602: None}, host="b")
    put("errors_total", [(second, 3.0 * second) for second in range(0, 500, 5)])


def live(group: PreparedGroup) -> None:
    """Evaluate on the interval, and now and then for data."""
    for second in range(15, 900, 15):
        for moment in (second, second + 3.25) if second % 60 == 0 else (second,):
            run(group, moment)


def replayed(group: PreparedGroup, place: int, *, on_grid: bool = False) -> Backtest:
    with transaction() as connection:
        instants = recorded_instants(connection, group.key, START, at(900))
        if on_grid:
            instants = grid(at(15), at(890), group.interval)
        return backtest(group.rules[place], instants, StoreSeries(connection), lambda: metrics(connection))


def steps(found: Backtest) -> list[tuple[float, str, str, str]]:
    return [
        ((change.at - START).total_seconds(), change.alert.name, str(change.after), str(change.reason))
        for change in found.transitions
    ]


def test_a_backtest_takes_the_steps_of_the_live_run() -> None:
    history()
    group = group_of(RULES)
    live(group)
    lived = events()
    both = sorted([*steps(replayed(group, 0)), *steps(replayed(group, 1))])
    assert both == sorted(lived)
    assert {"pending", "firing", "resolved"} <= {state for _, _, state, _ in lived}
    assert "missing_series" in {reason for *_, reason in lived}
    assert [after for _, _, after, _ in steps(replayed(group, 0, on_grid=True))] == [
        after for _, name, after, _ in lived if name == "High"
    ]


def test_the_command_line_shows_compares_and_draws(tmp_path: Path) -> None:
    history()
    rules, picture = tmp_path / "rules.yml", tmp_path / "chart.svg"
    lines = "".join(f"      {line}\n" for line in RULES.strip().splitlines())
    rules.write_text(f"groups:\n  - name: test\n    interval: 15s\n    rules:\n{lines}")
    runner = CliRunner()
    refused = runner.invoke(cli, ["rules", "backtest", str(rules), "--set", "threshold=20"])
    assert "Fast has no parameter threshold; it has for, keep_firing_for" in str(refused.exception)
    rules.write_text(rules.read_text().partition("      - alert: Fast")[0])
    told = runner.invoke(
        cli,
        ["rules", "backtest", str(rules), "--since", "1h", "--set", "threshold=8.5", "--svg", str(picture)],
        catch_exceptions=False,
    )
    assert told.exit_code == 0, told.output
    assert "fires 3 → 2 times" in told.output
    assert '{host="a", severity="warning"}' in told.output
    assert "█" in told.output
    assert len(ET.fromstring(picture.read_text()).findall(".//{*}rect")) == 10
    (facts,) = json.loads(
        runner.invoke(cli, ["rules", "backtest", str(rules), "--since", "1h", "--json"]).output
    )
    names = [(one["labels"]["alertname"], one["labels"].get("host")) for one in facts["firings"]]
    assert names == [("High", "a"), ("High", "b"), ("DatasourceNoData", None)]
    assert [one["status"] for one in facts["notifications"]] == [*["firing", "resolved"] * 2, "firing"]
    assert facts["notifications"][0]["annotations"] == {"summary": "a has 9"}
