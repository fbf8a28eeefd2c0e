"""Maintenance windows."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from watchfleet.probes.calendar import Window

BERLIN = "Europe/Berlin"
NIGHT = {"cron": "0 2 * * *", "duration": "90m", "timezone": BERLIN}


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN))


@pytest.mark.parametrize(
    ("fields", "at", "covered"),
    [
        (
            {"from": "2026-12-01T02:00", "to": "2026-12-01T04:00", "timezone": BERLIN},
            "2026-12-01T02:00",
            True,
        ),
        (
            {"from": "2026-12-01T02:00", "to": "2026-12-01T04:00", "timezone": BERLIN},
            "2026-12-01T03:59",
            True,
        ),
        (
            {"from": "2026-12-01T02:00", "to": "2026-12-01T04:00", "timezone": BERLIN},
            "2026-12-01T04:00",
            False,
        ),
        ({"from": "2026-12-01T02:00", "to": "2026-12-01T04:00"}, "2026-12-01T02:30", False),
        ({"from": "2026-12-01T01:00Z", "to": "2026-12-01T04:00+01:00"}, "2026-12-01T02:30", True),
        (NIGHT, "2026-12-01T01:59:59", False),
        (NIGHT, "2026-12-01T02:00", True),
        (NIGHT, "2026-12-01T03:29:59", True),
        (NIGHT, "2026-12-01T03:30", False),
        (NIGHT, "2026-03-29T03:10", True),  # the clock was put forward at two
        (NIGHT, "2026-10-25T02:20", True),
        (NIGHT, "2026-10-25T03:10", False),  # and back at three: that is 130 minutes later
        ({"cron": "0 2 * * sun", "duration": "2h", "timezone": BERLIN}, "2026-12-01T02:30", False),
        ({"cron": "0 23 * * *", "duration": "3h", "timezone": BERLIN}, "2026-12-02T01:30", True),
    ],
)
def test_a_window_covers_its_time(fields: dict[str, Any], at: str, covered: bool) -> None:
    window = Window.model_validate(fields)
    assert window.covers(local(at)) is covered
    assert window.covers(local(at).astimezone(UTC)) is covered


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "either `from` and `to`"),
        ({"from": "2026-12-01"}, "either `from` and `to`"),
        ({"from": "2026-12-01", "to": "2026-12-02", "cron": "0 2 * * *", "duration": "1h"}, "either"),
        ({"from": "2026-12-02", "to": "2026-12-01"}, "must end after it begins"),
        ({"cron": "0 2 * *", "duration": "1h"}, "no cron expression"),
        ({"cron": "0 2 * * *", "duration": "40d"}, "31d at most"),
        ({"cron": "0 2 * * *", "duration": "1h", "timezone": "Mars/Olympus"}, "no time zone"),
        ({"cron": "0 2 * * *", "duration": "1h", "until": "x"}, "until"),
    ],
)
def test_what_is_no_window_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Window.model_validate(fields)
