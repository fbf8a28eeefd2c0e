"""Durations and slots."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from watchfleet.clock import Duration, Period, format_duration, parse_duration, slot_start


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("1d", 86_400),
        ("0", 0),
        ("15", 15),
        (15, 15),
        (0.25, 0.25),
    ],
)
def test_durations_are_read_as_prometheus_writes_them_or_as_seconds(
    text: str | float, seconds: float
) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "abc", "5 s", "-5s", "5x", True, None, [5], float("nan"), float("inf"), -1, 1e30]
)
def test_nonsense_is_refused_with_an_error_that_pydantic_understands(text: object) -> None:
    with pytest.raises(ValidationError, match=r"is not a duration|is not between 0 and ten years"):
        TypeAdapter(Duration).validate_python(text)


def test_a_period_is_more_than_nothing() -> None:
    assert TypeAdapter(Duration).validate_python("0s") == timedelta(0)
    with pytest.raises(ValidationError, match="must be more than 0"):
        TypeAdapter(Period).validate_python("0s")


@given(st.integers(min_value=0, max_value=10**11))
def test_what_is_written_is_read_again(milliseconds: int) -> None:
    period = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(period)) == period


@given(st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)), st.integers(1, 86_400))  # noqa: DTZ001 - hypothesis adds the zone
def test_a_slot_begins_on_the_epoch_s_grid_and_holds_its_moment(at: datetime, seconds: int) -> None:
    period = timedelta(seconds=seconds)
    start = slot_start(at, period)
    assert start <= at < start + period
    assert start.timestamp() % seconds == 0
