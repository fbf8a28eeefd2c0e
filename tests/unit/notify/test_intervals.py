"""Time intervals, to the letter of Alertmanager's."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from watchfleet.notify.intervals import TimeInterval


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("interval", "within", "outside"),
    [
        (
            {"times": [{"start_time": "09:00", "end_time": "17:00"}]},
            ["2026-11-25 09:00:00", "2026-11-25 16:59:59"],
            ["2026-11-25 08:59:59", "2026-11-25 17:00:00"],
        ),
        (
            {"times": [{"start_time": "23:00", "end_time": "24:00"}]},
            ["2026-11-25 23:59:59"],
            ["2026-11-26 00:00:00"],
        ),
        (
            {"weekdays": ["monday:wednesday", "Sunday"]},
            ["2026-11-23 00:00:00", "2026-11-25 23:59:59", "2026-11-29 12:00:00"],
            ["2026-11-26 00:00:00", "2026-11-28 12:00:00"],
        ),
        ({"days_of_month": ["-1"]}, ["2026-02-28 12:00:00", "2028-02-29 12:00:00"], ["2028-02-28 12:00:00"]),
        ({"days_of_month": ["-3:-1"]}, ["2026-11-28 00:00:00"], ["2026-11-27 23:59:59"]),
        (
            {"days_of_month": ["28:-1"]},
            ["2026-11-28 00:00:00", "2026-11-30 00:00:00"],
            ["2026-11-27 00:00:00"],
        ),
        ({"days_of_month": ["30:31"]}, ["2026-11-30 00:00:00"], ["2026-02-28 12:00:00"]),
        ({"days_of_month": ["-31:-1"]}, ["2026-11-01 00:00:00"], []),
        (
            {"months": ["february:april", "12"], "years": ["2026:2027"]},
            ["2026-02-01 00:00:00", "2027-12-31 00:00:00"],
            ["2026-01-31 00:00:00", "2028-02-01 00:00:00"],
        ),
        (
            {"times": [{"start_time": "00:00", "end_time": "06:00"}], "location": "Europe/Berlin"},
            ["2026-07-01 22:00:00", "2026-12-01 23:00:00"],  # summer and winter
            ["2026-07-01 04:00:00", "2026-12-01 22:59:00", "2026-12-01 05:00:00"],
        ),
        (
            {"weekdays": ["sunday"], "location": "Asia/Tokyo"},
            ["2026-11-28 15:00:00"],
            ["2026-11-28 14:59:00", "2026-11-29 15:00:00"],
        ),
        ({}, ["2026-11-25 00:00:00"], []),
    ],
)
def test_what_lies_within(interval: dict[str, Any], within: list[str], outside: list[str]) -> None:
    read = TimeInterval.model_validate(interval)
    assert [text for text in within if not read.contains(at(text))] == []
    assert [text for text in outside if read.contains(at(text))] == []


def test_yaml_reads_a_bare_time_as_a_number_in_base_60() -> None:
    assert TimeInterval.model_validate({"times": [{"start_time": 600, "end_time": 1440}]}).contains(
        at("2026-11-25 10:00:00")
    )


@pytest.mark.parametrize(
    ("interval", "complaint"),
    [
        ({"times": [{"start_time": "22:00", "end_time": "06:00"}]}, "must be before end_time"),
        ({"times": [{"start_time": "9:00", "end_time": "24:01"}]}, "no time of day"),
        ({"weekdays": ["mondy"]}, "did you mean monday"),
        ({"weekdays": ["friday:monday"]}, "after the one at the end"),
        ({"weekdays": ["1:3"]}, "no weekday"),
        ({"days_of_month": ["0"]}, "between 1 and 31"),
        ({"days_of_month": ["-3:5"]}, "must be negative"),
        ({"days_of_month": ["31:-31"]}, "always before"),
        ({"months": ["13"]}, "between 1 and 12"),
        ({"years": ["2027:2026"]}, "after the one at the end"),
        ({"location": "Europe/Berln"}, "did you mean Europe/Berlin"),
    ],
)
def test_what_is_refused(interval: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        TimeInterval.model_validate(interval)


def test_what_is_written_down_is_read_again() -> None:
    read = TimeInterval.model_validate(
        {
            "times": [{"start_time": "09:00", "end_time": "17:30"}],
            "weekdays": ["monday:friday"],
            "days_of_month": ["-3:-1"],
            "location": "Europe/Berlin",
        }
    )
    assert TimeInterval.model_validate(read.model_dump(mode="json")) == read
