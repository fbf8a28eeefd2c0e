"""What the last pings of a job say, by the clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from support.target_of import target as target_of

from watchfleet.probes.heartbeat import HeartbeatOptions, verdict
from watchfleet.probes.pings import Pinged
from watchfleet.probes.probe import Attempt

KEY = "nightly-backup"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def found(last: Pinged, **options: Any) -> tuple[str, str, str]:
    given = {"key": KEY, "period": "1h", "grace": "5m", **options}
    target = target_of("heartbeat", **given)
    assert isinstance(target.options, HeartbeatOptions)
    result = verdict(Attempt(target), target.options, last, NOW)
    return str(result.status), result.reason, result.detail


@pytest.mark.parametrize(
    ("last", "status", "reason"),
    [
        (Pinged(), "unknown", "no_ping_yet"),
        (Pinged(ended_at=ago(59), succeeded_at=ago(59)), "up", ""),
        (Pinged(ended_at=ago(60), succeeded_at=ago(60)), "up", ""),
        (Pinged(ended_at=ago(64), succeeded_at=ago(64)), "degraded", "ping_late"),
        (Pinged(ended_at=ago(66), succeeded_at=ago(66)), "down", "ping_missed"),
        (Pinged(ended_at=ago(1), succeeded_at=ago(61), failed=True), "down", "job_failed"),
        (Pinged(started_at=ago(4)), "up", ""),
        (Pinged(started_at=ago(6)), "down", "job_unfinished"),
        (Pinged(started_at=ago(6), ended_at=ago(5), succeeded_at=ago(5)), "up", ""),
        (Pinged(started_at=ago(6), ended_at=ago(50), succeeded_at=ago(50)), "down", "job_unfinished"),
        (Pinged(started_at=ago(4), ended_at=ago(63), succeeded_at=ago(63)), "degraded", "ping_late"),
        (Pinged(started_at=ago(4), ended_at=ago(10), failed=True), "down", "job_failed"),
    ],
)
def test_status(last: Pinged, status: str, reason: str) -> None:
    assert found(last)[:2] == (status, reason)


def test_a_failure_tells_what_the_job_told() -> None:
    last = Pinged(ended_at=ago(1), failed=True, exit_code=3, said="disk\x1b[31m full\nof cats")
    assert found(last)[2] == "the job failed with exit code 3. disk [31m full of cats"


@pytest.mark.parametrize(
    ("cron", "zone", "last", "reason"),
    [
        ("30 11 * * *", "UTC", datetime(2026, 3, 9, 11, 31, tzinfo=UTC), "ping_missed"),
        ("56 11 * * *", "UTC", datetime(2026, 3, 9, 11, 57, tzinfo=UTC), "ping_late"),
        ("30 11 * * *", "UTC", datetime(2026, 3, 10, 11, 31, tzinfo=UTC), ""),
        ("30 12 * * *", "Europe/Berlin", datetime(2026, 3, 9, 11, 31, tzinfo=UTC), "ping_missed"),
        ("30 11 * * *", "America/New_York", datetime(2026, 3, 9, 15, 31, tzinfo=UTC), ""),
        ("0 9 * * 1-5", "UTC", datetime(2026, 3, 6, 9, 1, tzinfo=UTC), "ping_missed"),
        ("0 9 * * 5", "UTC", datetime(2026, 3, 6, 9, 1, tzinfo=UTC), ""),
    ],
)
def test_cron(cron: str, zone: str, last: datetime, reason: str) -> None:
    done = Pinged(ended_at=last, succeeded_at=last)
    assert found(done, period=None, cron=cron, timezone=zone)[1] == reason


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"key": "short"}, "8 to 128"),
        ({"key": "with/slash/in-it"}, "8 to 128"),
        ({"period": None}, "either a period or cron"),
        ({"cron": "0 3 * * *"}, "either a period or cron"),
        ({"period": None, "cron": "0 25 * * *"}, "no cron expression"),
        ({"period": None, "cron": "every day"}, "no cron expression"),
        ({"period": None, "cron": "0 3 * * *", "timezone": "Europe/Berlni"}, "no time zone"),
    ],
)
def test_what_is_no_heartbeat(options: dict[str, Any], cause: str) -> None:
    with pytest.raises(ValidationError, match=cause):
        HeartbeatOptions.model_validate({"key": KEY, "period": "1h", **options})
