"""What a stopped worker pool finds when it starts again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from support.processes import started, worker
from support.servers import wait_until
from support.task_events import TaskEvents

SWEEP = "watchfleet.upkeep.sweep_outbox"
QUEUE = "watchfleet.upkeep"
SECOND = timedelta(seconds=1)


def slot(task_id: str) -> datetime:
    return datetime.fromisoformat(task_id.partition(":")[2])


def test_a_worker_that_was_away_runs_only_what_is_fresh(
    environment: pytest.MonkeyPatch, redis_url: str, tmp_path: Path
):
    with (
        Redis.from_url(redis_url) as broker,
        TaskEvents(redis_url) as seen,
        started("beat", "--loglevel=INFO", log=tmp_path / "beat", SCHEDULES=f'{{"{SWEEP}": "1s"}}'),
    ):
        wait_until(lambda: broker.llen(QUEUE) >= 6)
        begun = datetime.now(UTC)
        with worker("solo", tmp_path / "worker"):
            wait_until(lambda: len(seen.of("task-succeeded", SWEEP)) >= 2)
    ran = [event["uuid"] for event in seen.of("task-succeeded", SWEEP)]
    assert all(slot(one) > begun - SECOND for one in ran)
    assert all(event["expired"] for event in seen.of("task-revoked", SWEEP))
