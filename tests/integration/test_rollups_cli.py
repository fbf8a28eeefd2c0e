"""`watchfleet rollups` and `watchfleet metrics retention` over a real store."""

import json
import random
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from watchfleet.cli import cli
from watchfleet.clock import utcnow
from watchfleet.db import partitions
from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import counters, ingest, rollup_verify, rollups
from watchfleet.model import Kind, Sample

pytestmark = pytest.mark.usefixtures("environment")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def write(batch_id: str = "b1") -> None:
    """Samples of two series over three hours of yesterday."""
    now = utcnow()
    samples = [
        Sample("m", {"host": str(n % 2)}, Kind.COUNTER, now.timestamp() - 86400 - 60 * n, float(n))
        for n in range(180)
    ]
    with transaction() as connection:
        assert ingest.write_samples(connection, batch_id, samples, now).accepted == 180


def rolled_up() -> None:
    write()
    rollups.drain(get_engine(), utcnow() + timedelta(days=2))


def execute(statement: str) -> None:
    with transaction() as connection:
        connection.execute(text(statement))


def count(query: str) -> int:
    with transaction() as connection:
        return int(connection.scalar(text(query)) or 0)


def test_status_tells_what_waits():
    assert "nothing waits" in run("rollups", "status").output
    write()
    execute("UPDATE dirty_slice SET marked_at = marked_at - interval '1 hour'")
    told = json.loads(run("rollups", "status", "--json").output)
    assert sum(line["slices"] for line in told["waiting"]) == count(
        "SELECT count(DISTINCT slice) FROM dirty_slice"
    )
    assert {line["tier"] for line in told["waiting"]} == {"5m"}
    assert told["lag_seconds"] > 3590
    assert "LAG" in run("rollups", "status").output
    rollups.drain(get_engine(), utcnow() + timedelta(days=2))
    told = json.loads(run("rollups", "status", "--json").output)
    assert told["waiting"] == []
    assert any(told["last_ticks"].values())
    assert "s ago" in run("rollups", "status").output


def test_rollups_that_are_right_are_verified():
    rolled_up()
    result = run("rollups", "verify", "--sample", "100%")
    assert result.exit_code == 0
    slices = sum(count(f"SELECT count(DISTINCT bucket) FROM {one.table}") for one in partitions.ROLLUPS)
    assert result.output.startswith(f"{slices} slices compared, 0 wait")


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE rollup_5m SET n = n + 1 WHERE series_id = 1",
        "UPDATE rollup_15m SET sum = sum * 1.000001 + 1e-3",
        "UPDATE rollup_1h SET increase = increase + 1",
        "UPDATE rollup_24h SET histogram = (SELECT histogram FROM rollup_5m LIMIT 1)",
        "DELETE FROM rollup_1h WHERE series_id = 2",
        "UPDATE samples SET value = value + 1 WHERE value = 17",
    ],
)
def test_a_difference_is_found_shown_and_counted(harm: str):
    rolled_up()
    execute(harm)
    found = rollup_verify.verify(get_engine(), 1.0, random.Random(1))
    assert found.different > 0
    assert found.differences
    with transaction() as connection:
        totals = {one.name: one.value for one in counters.totals(connection)}
    assert totals["watchfleet_rollup_different_slices_total"] == found.different
    result = run("rollups", "verify", "--sample", "100%")
    assert result.exit_code == 1
    assert found.differences[0] in str(result.exception)


def test_a_slice_that_waits_is_no_difference():
    rolled_up()
    write("b2")
    found = rollup_verify.verify(get_engine(), 1.0, random.Random(1))
    assert found.different == 0
    assert found.skipped > 0


def test_a_rebuild_mends_what_was_wrong():
    rolled_up()
    execute("UPDATE rollup_5m SET n = n + 1")
    execute("DELETE FROM rollup_1h")
    day = utcnow() - timedelta(days=2)
    arguments = ["--from", f"{day:%Y-%m-%d}", "--to", f"{day + timedelta(days=3):%Y-%m-%d}"]
    result = run("rollups", "rebuild", *arguments)
    assert result.exit_code == 0, result.exception
    assert "Recomputed" in result.output
    rollups.drain(get_engine(), utcnow() + timedelta(days=2))
    assert run("rollups", "verify", "--sample", "100%").exit_code == 0


@pytest.mark.parametrize(
    ("start", "end"), [("2026-11-02", "2026-11-01"), ("2020-01-01", "2026-01-01"), ("x", "2026-01-01")]
)
def test_a_range_that_cannot_be_rebuilt_is_refused(start: str, end: str):
    assert run("rollups", "rebuild", "--from", start, "--to", end).exit_code == 2
    assert count("SELECT count(*) FROM dirty_slice") == 0


@pytest.mark.parametrize("share", ["0%", "101%", "1", "x%", "nan%"])
def test_a_share_that_is_none_is_refused(share: str):
    assert run("rollups", "verify", "--sample", share).exit_code == 2


def test_retention_shows_what_is_over_and_drops_it_only_when_asked():
    old = (utcnow() - timedelta(days=20)).date()
    partitions.ensure(get_engine(), partitions.SAMPLES, {old})
    name = partitions.SAMPLES.name(old)
    shown = run("metrics", "retention", "--dry-run")
    assert name in shown.output
    assert partitions.expired(get_engine(), partitions.SAMPLES, utcnow()) == [name]
    assert "Dropped 1 partitions" in run("metrics", "retention").output
    assert partitions.expired(get_engine(), partitions.SAMPLES, utcnow()) == []
