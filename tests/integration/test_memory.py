"""`watchfleet.detectors.memory`, `watchfleet memory` and `/api/memory`, over samples in a real store."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.servers import use_environment

from tasks.detectors import memory
from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.metrics import ingest, read
from watchfleet.model import Kind, Sample
from watchfleet.web.app import create_app

EVERY, SPAN = 60, 4 * 3600
RECYCLED = 2 * 3600


@pytest.fixture
def stored(environment: pytest.MonkeyPatch) -> None:
    """Four hours of a leak whose process was recycled, of one that is steady, and of one that ended."""
    use_environment(environment, API_TOKEN="s3cret-token-of-the-api")
    now = utcnow()
    samples = [
        Sample(name, labels, Kind.GAUGE, now.timestamp() - age, value)
        for age in range(SPAN, 0, -EVERY)
        for name, labels, value in _at(age, now.timestamp())
    ]
    with transaction() as connection:
        ingest.write_samples(connection, "memory", samples, now)


def _at(age: int, now: float) -> Iterator[tuple[str, dict[str, str], float]]:
    recycled = age <= RECYCLED
    lived = (RECYCLED if recycled else SPAN) - age
    started = now - (RECYCLED if recycled else SPAN)
    leaking = {"process": "leaky", "service": "shop"}
    yield "process_resident_memory_bytes", leaking, 50e6 + lived * 200e6 / 3600
    yield "process_start_time_seconds", leaking, started
    yield "process_allocated_blocks", leaking, 1e6 + lived * 1000.0
    yield "process_memory_limit_bytes", leaking, 1e9
    steady = {"instance": "web:8000", "job": "web"}
    yield "process_resident_memory_bytes", steady, 80e6
    yield "process_start_time_seconds", steady, now - SPAN
    if age > 3600:
        yield "process_resident_memory_bytes", {"instance": "gone"}, 80e6
        yield "process_start_time_seconds", {"instance": "gone"}, now - SPAN


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["memory", *arguments])


@pytest.mark.usefixtures("stored")
def test_a_leak_over_a_restart_is_told_of_and_a_steady_process_is_not():
    assert memory() == 1
    with transaction() as connection:
        written = read.recent(
            connection, "watchfleet_memory_leak_bytes_per_hour", utcnow() - timedelta(minutes=1)
        )
    rates = {one.labels["process"]: one.points[0][1] for one in written}
    assert rates == {"leaky": pytest.approx(200e6, rel=0.15), "web:8000": 0}
    check_commands()
    check_api()


def check_commands() -> None:
    leaky, steady = json.loads(run("list", "--json").output)["processes"]
    assert (leaky["process"], leaky["reason"], leaky["origin"]) == ("leaky", "leaking", "python")
    assert leaky["low"] <= leaky["bytes_per_hour"] <= leaky["high"]
    assert leaky["seconds_until_limit"] == pytest.approx(550e6 / leaky["bytes_per_hour"] * 3600, rel=0.02)
    assert (steady["process"], steady["reason"]) == ("web:8000", "below_threshold")
    assert "web:8000" not in run("list", "--leaking").output
    assert "below threshold" in run("list").output
    shown = run("trend", "leaky").output
    assert "leaking" in shown
    assert "python" in shown
    with pytest.raises(Exception, match="no process gone"):
        CliRunner().invoke(cli, ["memory", "trend", "gone"], catch_exceptions=False)


def check_api() -> None:
    client = create_app().test_client()
    assert client.get("/api/memory").status_code == 401
    headers = {"Authorization": "Bearer s3cret-token-of-the-api"}

    def get(**asked: str) -> Any:
        return client.get("/api/memory", query_string=asked, headers=headers)

    assert [one["process"] for one in get().json["processes"]] == ["leaky", "web:8000"]
    assert [one["process"] for one in get(process="leaky").json["processes"]] == ["leaky"]
    assert get(process="gone").status_code == 404
