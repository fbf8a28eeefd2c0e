"""`pytest --watchfleet-budgets` in an application's own project, by a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHOP = """\
import time

from celery import Celery
from flask import Flask
from sqlalchemy import create_engine, text

app, web = Celery("shop", broker="memory://"), Flask("shop")
engine = create_engine("sqlite://")


def ask(times):
    with engine.begin() as connection:
        for number in range(times):
            connection.execute(text("SELECT :n"), {"n": number})


@app.task(name="shop.pay")
def pay(times, seconds=0):
    ask(times)
    time.sleep(seconds)


@web.get("/orders/<int:times>")
def orders(times):
    ask(times)
    return "done"
"""
TESTS = """\
import shop


def test_frugal():
    shop.pay.apply((3,), throw=True)
    assert shop.web.test_client().get("/orders/2").text == "done"


def test_loop_in_task():
    shop.pay.apply((4,), throw=True)


def test_slow_task():
    shop.pay.apply((1, 0.5), throw=True)


def test_loop_in_request():
    assert shop.web.test_client().get("/orders/3").text == "done"


def test_wrong_by_itself():
    shop.pay.apply((9,), throw=True)
    assert shop is None


def test_frugal_again():
    shop.pay.apply((3,), throw=True)
"""
BUDGETS = """\
budgets:
  - task: shop.pay
    p95_duration: 400ms
    queries_per_call: 3
  - endpoint: GET /orders/<int:times>
    queries_per_call: 2
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An application with a test suite and budgets."""
    for name, text in (("shop.py", SHOP), ("test_shop.py", TESTS), ("watchfleet.yml", BUDGETS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def run(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *options]
    chosen = ("PATH", "HOME", "TMPDIR", "LANG")
    environment = {name: os.environ[name] for name in chosen if name in os.environ}
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("PASSED ", "FAILED "))]
    return {words[1].partition("::")[2]: words[0] for words in lines}


def test_a_test_that_breaks_a_budget_fails(project: Path) -> None:
    done = run(project, "--watchfleet-budgets")
    assert outcomes(done) == {
        "test_frugal": "PASSED",
        "test_loop_in_task": "FAILED",
        "test_slow_task": "FAILED",
        "test_loop_in_request": "FAILED",
        "test_wrong_by_itself": "FAILED",
        "test_frugal_again": "PASSED",
    }, done.stdout + done.stderr
    assert "task shop.pay: queries_per_call 4 queries, 3 queries allowed" in done.stdout
    assert "endpoint GET /orders/<int:times>: queries_per_call 3 queries, 2 queries allowed" in done.stdout
    assert "task shop.pay: p95_duration 0.5" in done.stdout
    assert "assert shop is None" in done.stdout
    assert "9 queries" not in done.stdout


def test_without_the_option_nothing_is_judged(project: Path) -> None:
    assert [name for name, outcome in outcomes(run(project)).items() if outcome == "FAILED"] == [
        "test_wrong_by_itself"
    ]


def test_a_bad_budget_ends_the_run(project: Path) -> None:
    (project / "watchfleet.yml").write_text(BUDGETS.replace("400ms", "fast"))
    done = run(project, "--watchfleet-budgets")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "watchfleet.yml:3: budgets[0]: p95_duration: 'fast' is not a duration" in done.stderr
