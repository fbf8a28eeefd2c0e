"""`watchfleet.detectors.budgets`, `watchfleet budgets` and `/api/budgets`, over samples in a real store."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.servers import use_environment

from tasks.detectors import budgets
from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import ingest, read, rollups
from watchfleet.model import Kind, Sample
from watchfleet.web.app import create_app

TOKEN = "s3cret-token-of-the-api"
FILE = """\
budgets:
  - task: shop.pay
    p95_duration: 500ms
    error_rate: 0.1
    memory_mb: 300
    queries_per_call: 20
  - endpoint: GET /orders
    p95_duration: 1s
    error_rate: 0.1
    queries_per_call: 2
  - query: a1
    p95_duration: 1s
    error_rate: 0.1
  - process: web1
    memory_mb: 800
  - task: shop.silent
    error_rate: 0.1
  - task: shop.wrong
    p95_duration: fast
"""
EXPECTED = {
    ("shop.pay", "p95_duration"): (0.94, 188),
    ("shop.pay", "error_rate"): (0.05, 50),
    ("shop.pay", "memory_mb"): (240, 80),
    ("shop.pay", "queries_per_call"): (10, 50),
    ("GET /orders", "p95_duration"): (0.25, 25),
    ("GET /orders", "error_rate"): (0.2, 200),
    ("GET /orders", "queries_per_call"): (3, 150),
    ("a1", "p95_duration"): (0.5, 50),
    ("a1", "error_rate"): (0.02, 20),
    ("web1", "memory_mb"): (400, 50),
}
BROKEN = {("shop.pay", "p95_duration"), ("GET /orders", "error_rate"), ("GET /orders", "queries_per_call")}


def of_task(at: float) -> Iterator[Sample]:
    labels = {"service": "shop", "task": "shop.pay"}
    for number in range(1, 101):
        own = {**labels, "service": f"shop{number % 2}"}
        yield Sample("task_duration_seconds", own, Kind.DURATION, at + number / 1e3, number / 100 - 0.01)
        yield Sample("db_call_queries", {"place": "shop.pay"}, Kind.GAUGE, at + number / 1e3, 10)
    yield Sample("task_succeeded_total", labels, Kind.EVENT, at, 95)
    for error, count in (("ValueError", 2), ("KeyError", 3)):
        yield Sample("task_failed_total", {**labels, "exception": error}, Kind.EVENT, at, count)
    for memory in (100e6, 240e6, 200e6):
        yield Sample("task_memory_bytes", labels, Kind.GAUGE, at + memory / 1e9, memory)


def of_others(at: float) -> Iterator[Sample]:
    route = {"method": "GET", "route": "/orders"}
    yield Sample("http_request_duration_seconds", route, Kind.DURATION, at, 0.25)
    yield Sample("http_request_duration_seconds", {**route, "method": "POST"}, Kind.DURATION, at, 9.0)
    for status, count in (("200", 7), ("404", 1), ("503", 2)):
        yield Sample("http_requests_total", {**route, "status": status}, Kind.EVENT, at, count)
    yield Sample("db_call_queries", {"place": "GET /orders"}, Kind.GAUGE, at, 3)
    query = {"fingerprint": "a1", "operation": "SELECT"}
    for number in range(50):
        yield Sample("db_query_duration_seconds", query, Kind.DURATION, at + number / 1e3, 0.5)
    yield Sample("db_query_errors_total", {**query, "exception": "DataError"}, Kind.EVENT, at, 1)
    yield Sample("process_resident_memory_bytes", {"instance": "web1"}, Kind.GAUGE, at, 400e6)
    yield Sample("process_resident_memory_bytes", {"instance": "web2"}, Kind.GAUGE, at, 900e6)


@pytest.fixture
def stored(environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What was reported a minute ago, and two hours ago a task that took long."""
    path = tmp_path / "watchfleet.yml"
    path.write_text(FILE)
    use_environment(environment, WATCHFLEET_CONFIG=str(path), API_TOKEN=TOKEN)
    now = utcnow()
    at = now.timestamp() - 60
    old = Sample("task_duration_seconds", {"task": "shop.pay"}, Kind.DURATION, at - 2 * 3600, 99.0)
    with transaction() as connection:
        ingest.write_samples(connection, "budgets", [old, *of_task(at), *of_others(at)], now)
    rollups.drain(get_engine(), now)
    return path


def test_use_is_a_metric(stored: Path) -> None:
    assert stored.exists()
    assert budgets() == len(BROKEN)
    with transaction() as connection:
        found = read.latest(connection, "watchfleet_budget_used_ratio", utcnow() - timedelta(minutes=1))
    ratios = {(one.labels["subject"], one.labels["limit"]): one.points[0][1] for one in found}
    wanted = {key: percent / 100 for key, (_, percent) in EXPECTED.items()}
    assert ratios == pytest.approx(wanted, rel=0.011)
    assert {one.labels["kind"] for one in found} == {"task", "endpoint", "query", "process"}


def test_the_command_tells_all_and_fails(stored: Path) -> None:
    done = CliRunner().invoke(cli, ["budgets"])
    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if "shop.silent" in line]
    assert line.split() == ["task", "shop.silent", "error_rate", "-", "10%", "-"]
    (line,) = [line for line in done.output.splitlines() if "web1" in line]
    assert line.split() == ["process", "web1", "memory_mb", "400.0MB", "800.0MB", "50%"]
    assert f"{stored}:19" in done.stderr
    assert "'fast' is not a duration" in done.stderr
    told = json.loads(CliRunner().invoke(cli, ["budgets", "--json"]).stdout)
    known = {
        (one["subject"], one["limit"]): (one["used"], one["used_percent"])
        for one in told["budgets"]
        if one["used"] is not None
    }
    assert known == {key: pytest.approx(values, rel=0.011) for key, values in EXPECTED.items()}
    assert {(one["subject"], one["limit"]) for one in told["budgets"] if one["broken"]} == BROKEN
    assert len(told["problems"]) == 1


def test_the_command_is_content_with_budgets_that_hold(stored: Path, environment: pytest.MonkeyPatch) -> None:
    stored.write_text("budgets:\n- process: web1\n  memory_mb: 800\n")
    use_environment(environment, WATCHFLEET_CONFIG=str(stored))
    done = CliRunner().invoke(cli, ["budgets"])
    assert done.exit_code == 0, done.output


def test_the_api_answers_the_same(stored: Path) -> None:
    assert stored.exists()
    client = create_app().test_client()
    assert client.get("/api/budgets").status_code == 401
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = client.get("/api/budgets", headers=headers)
    assert answer.json is not None
    assert {(one["subject"], one["limit"]) for one in answer.json["budgets"] if one["broken"]} == BROKEN
    assert "write it like 30s" in answer.json["problems"][0]
    table = client.get("/api/budgets?format=csv", headers=headers)
    assert table.text.splitlines()[0] == "kind,subject,limit,used,allowed,used_percent,broken"
