"""Query scripts: our own, and Prometheus's where they are at hand."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.promqltest.runner import run

ROOT = Path(__file__).parents[3]
OWN = sorted((ROOT / "tests" / "promqltest" / "scripts").glob("*.test"))
CONFORMANCE = ROOT.parent / "shared" / "conformance" / "promql"
THEIRS = sorted(CONFORMANCE.glob("*.test"))
NATIVE_ONLY = 111
"""Evaluations of Prometheus's scripts that need native histograms."""


@pytest.mark.parametrize("script", OWN, ids=lambda path: path.stem)
def test_our_scripts_pass(script: Path) -> None:
    outcome = run(script)
    assert outcome.failures == []
    assert outcome.native == []
    assert outcome.passed >= 10


@pytest.mark.skipif(not THEIRS, reason="Prometheus's query scripts are not at hand")
def test_all_of_prometheus_evaluations_without_native_histograms_pass() -> None:
    outcomes = [run(script) for script in THEIRS]
    assert [failure for outcome in outcomes for failure in outcome.failures] == []
    assert sum(outcome.passed for outcome in outcomes) >= 466
    assert sum(len(outcome.native) for outcome in outcomes) <= NATIVE_ONLY


BAD = """load 1m
  up{job="a"} 1 2

eval instant at 1m up
  up{job="a"} 1

eval instant at 1m up
  up{job="a"} 2

what is this

eval instant at 1m up +
  up{job="a"} 2

eval instant at 1m count(up)
  {} 1
  {job="b"} 1

eval instant at 1m up
  expect fail

eval instant at 1m up
  expect warn
  up{job="a"} 2

eval range from 0 to 1m step 1m up
  up{job="a"} 1 _
"""


def test_each_failure_is_told_with_file_and_line(tmp_path: Path) -> None:
    script = tmp_path / "bad.test"
    script.write_text(BAD)
    command = [sys.executable, "-m", "tests.promqltest", str(script)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 1, done.stderr
    assert lines[-1] == "1 passed, 7 failed"
    places = [line.removeprefix(f"{script}:").split(":")[0] for line in lines[:7]]
    assert places == ["4", "10", "12", "15", "19", "22", "26"]
