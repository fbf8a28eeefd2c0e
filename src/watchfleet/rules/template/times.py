"""Times and durations as Go's `time` prints them, and what templates may ask of them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from watchfleet.rules.template.layout import format_layout
from watchfleet.rules.template.values import Duration, Time

_SECOND: Final = 1_000_000_000
_STANDARD: Final = "2006-01-02 15:04:05.999999999 -0700 MST"
FARTHEST: Final = 253_402_300_799_999
"""Milliseconds of Unix time: the last of the year 9999."""


def format_time(time: Time) -> str:
    """A time, such as `2015-06-23 13:19:44.128 +0000 UTC`."""
    return format_layout(time.moment, _STANDARD)


def format_span(duration: Duration) -> str:
    """A duration, such as `1h30m0s` or `1.5ms`."""
    size = abs(duration.nanoseconds)
    sign = "-" if duration.nanoseconds < 0 else ""
    if size == 0:
        return "0s"
    if size < _SECOND:
        unit, width = ("ns", 0) if size < 1000 else ("µs", 3) if size < 1_000_000 else ("ms", 6)
        return f"{sign}{_decimal(size, width)}{unit}"
    minutes, rest = divmod(size, 60 * _SECOND)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_decimal(rest, 9)}s"


def _decimal(count: int, width: int) -> str:
    whole, fraction = divmod(count, 10**width)
    digits = f"{fraction:0{width}d}".rstrip("0") if width else ""
    return f"{whole}.{digits}" if digits else str(whole)


METHODS: Final[Mapping[type, Mapping[str, tuple[tuple[str, ...], Callable[..., Any]]]]] = {
    Time: {
        "Format": (("string",), lambda time, layout: format_layout(time.moment, layout)),
        "String": ((), format_time),
        "Unix": ((), lambda time: time.milliseconds // 1000),
        "UnixMilli": ((), lambda time: time.milliseconds),
        "UTC": ((), lambda time: time),
        "Year": ((), lambda time: time.moment.year),
        "Month": ((), lambda time: time.moment.strftime("%B")),
        "Day": ((), lambda time: time.moment.day),
        "Weekday": ((), lambda time: time.moment.strftime("%A")),
        "YearDay": ((), lambda time: time.moment.timetuple().tm_yday),
        "Hour": ((), lambda time: time.moment.hour),
        "Minute": ((), lambda time: time.moment.minute),
        "Second": ((), lambda time: time.moment.second),
    },
    Duration: {
        "String": ((), format_span),
        "Hours": ((), lambda duration: duration.nanoseconds / (3600 * _SECOND)),
        "Minutes": ((), lambda duration: duration.nanoseconds / (60 * _SECOND)),
        "Seconds": ((), lambda duration: duration.nanoseconds / _SECOND),
        "Milliseconds": ((), lambda duration: int(duration.nanoseconds / 1_000_000)),
    },
}
"""The methods of each type: the types of their arguments, and what they do."""
