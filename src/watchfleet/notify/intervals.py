"""Time intervals: when notifications are muted, or the only times at which they go out.

Alertmanager's `time_intervals`: every field that is given must hold, and within a field one of its ranges.
Times are end-exclusive; days, weekdays, months and years include both ends; a negative day counts from the
month's end.
"""

import re
from calendar import monthrange
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from watchfleet.complaints import similar

WEEKDAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00)")

Range = tuple[int, int]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _minutes(value: object) -> object:
    """`17:30` as minutes of the day. YAML reads an unquoted 17:30 as a number in base 60: the same."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no time of day; write it like 09:00, at most 24:00")
    return int(found[1] or found[3]) * 60 + int(found[2] or found[4])


Minutes = Annotated[int, BeforeValidator(_minutes), Field(ge=0, le=24 * 60)]


class TimeRange(_Strict):
    """A part of the day."""

    start_time: Minutes = Field(description="When it begins, such as 09:00.")
    end_time: Minutes = Field(description="When it is over, such as 17:00; 24:00 is the end of the day.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start_time >= self.end_time:
            raise ValueError("start_time must be before end_time; write two ranges for one across midnight")
        return self


def _range(text: object, what: str, names: tuple[str, ...] = (), first: int = 0) -> Range:
    if isinstance(text, list | tuple) and len(text) == 2:  # as `model_dump` writes it
        return int(text[0]), int(text[1])
    begin, colon, end = str(text).strip().lower().partition(":")
    found = _number(begin, what, names, first), _number(end if colon else begin, what, names, first)
    if (found[0] > found[1]) and (found[0] > 0) == (found[1] > 0):
        raise ValueError(f"{text!r}: the {what} at the start is after the one at the end")
    return found


def _number(text: str, what: str, names: tuple[str, ...], first: int) -> int:
    if text in names:
        return names.index(text) + first
    if what != "weekday" and re.fullmatch(r"-?[0-9]{1,4}", text):
        return int(text)
    raise ValueError(f"{text!r} is no {what}" + (f"; {hint}" if (hint := similar(text, names)) else ""))


def _weekday(text: object) -> object:
    return _range(text, "weekday", WEEKDAYS)


def _month(text: object) -> object:
    found = _range(text, "month", _MONTHS, 1)
    if not all(1 <= month <= 12 for month in found):
        raise ValueError(f"{text!r}: a month is between 1 and 12")
    return found


def _day(text: object) -> object:
    begin, end = _range(text, "day of the month")
    if not all(1 <= abs(day) <= 31 for day in (begin, end)):
        raise ValueError(f"{text!r}: a day of the month is between 1 and 31, or -1 and -31")
    if begin < 0 < end:
        raise ValueError(f"{text!r}: the end day must be negative if the start day is")
    # The longest month tells: a start that even there is after the end never holds.
    if (begin + 32 if begin < 0 else begin) > (end + 32 if end < 0 else end):
        raise ValueError(f"{text!r}: the end day is always before the start day")
    return begin, end


def _year(text: object) -> object:
    return _range(text, "year")


def _zone(name: object) -> object:
    """The zone of a name of the IANA's; `Local` is the machine's own."""
    if name == "Local":
        return None
    if name not in available_timezones():
        hint = similar(str(name), available_timezones())
        raise ValueError(
            f"{name!r} is no time zone; write it like Europe/Berlin" + (f"; {hint}" if hint else "")
        )
    return ZoneInfo(str(name))


class TimeInterval(_Strict):
    """One of a named interval's parts."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    times: tuple[TimeRange, ...] = Field((), description="Parts of the day.")
    weekdays: tuple[Annotated[Range, BeforeValidator(_weekday)], ...] = Field(
        (), description="Days of the week, such as monday:friday."
    )
    days_of_month: tuple[Annotated[Range, BeforeValidator(_day)], ...] = Field(
        (), description="Days of the month, such as 1:5, or -3:-1 for the last three."
    )
    months: tuple[Annotated[Range, BeforeValidator(_month)], ...] = Field(
        (), description="Months, such as 1:3 or may:august."
    )
    years: tuple[Annotated[Range, BeforeValidator(_year)], ...] = Field(
        (), description="Years, such as 2026:2028."
    )
    location: Annotated[ZoneInfo | None, BeforeValidator(_zone)] = Field(
        ZoneInfo("UTC"), description="The time zone, such as Europe/Berlin; UTC if not set."
    )

    def contains(self, at: datetime) -> bool:
        """Whether an instant lies within."""
        local = at.astimezone(self.location)
        minute = local.hour * 60 + local.minute
        return (
            (not self.times or any(part.start_time <= minute < part.end_time for part in self.times))
            and _within(self.weekdays, (local.weekday() + 1) % 7)
            and _within(self.months, local.month)
            and _within(self.years, local.year)
            and self._on_day(local)
        )

    def _on_day(self, local: datetime) -> bool:
        length = monthrange(local.year, local.month)[1]
        ranges = [
            tuple(day + length + 1 if day < 0 else day for day in begin_and_end)
            for begin_and_end in self.days_of_month
        ]
        # A range that begins after the month's end never holds; clamped, it would hold on the last day.
        return not ranges or any(
            begin <= length and max(begin, 1) <= local.day <= min(end, length) for begin, end in ranges
        )


class NamedIntervals(_Strict):
    """An entry of `time_intervals`: it holds while one of its parts does."""

    name: str = Field(min_length=1, description="What routes call it.")
    time_intervals: tuple[TimeInterval, ...] = Field(description="Its parts.")

    def contains(self, at: datetime) -> bool:
        """Whether an instant lies within one of the parts."""
        return any(part.contains(at) for part in self.time_intervals)


def _within(ranges: Iterable[Range], value: int) -> bool:
    ranges = tuple(ranges)
    return not ranges or any(begin <= value <= end for begin, end in ranges)
