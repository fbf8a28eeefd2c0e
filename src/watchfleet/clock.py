"""Time as the fleet counts it: always UTC, always aware, periods in seconds."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

LONGEST: Final = timedelta(days=3660)

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def utcnow() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def slot_start(at: datetime, period: timedelta) -> datetime:
    """The start of the period that holds `at`, counted from the Unix epoch, so that nothing drifts."""
    seconds = period.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


def parse_duration(text: str | float | timedelta) -> timedelta:
    """Read a duration as Prometheus writes it (`30s`, `1h30m`, `500ms`) or a number of seconds.

    Raises:
        ValueError: It is not a duration, is negative, or is longer than ten years.
    """
    if isinstance(text, timedelta):
        return text
    seconds = _seconds(text)
    if seconds is None:
        raise ValueError(f"{text!r} is not a duration; write it like 30s, 5m or 1h30m")
    if not 0 <= seconds <= LONGEST.total_seconds():
        raise ValueError(f"{text!r} is not between 0 and ten years")
    return timedelta(seconds=seconds)


def _seconds(text: object) -> float | None:
    if isinstance(text, bool):  # an int to Python, a slip to us
        return None
    if isinstance(text, int | float):
        return None if math.isnan(text) else text
    if not isinstance(text, str):
        return None
    if _NUMBER.fullmatch(text):  # all that an environment variable can hold is text
        return float(text)
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def format_duration(period: timedelta) -> str:
    """A duration as Prometheus writes it, such as `1h30m` or `500ms`; the inverse of `parse_duration`."""
    milliseconds = round(period.total_seconds() * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _positive(period: timedelta) -> timedelta:
    if period <= timedelta(0):
        raise ValueError("must be more than 0; write it like 30s, 5m or 1h30m")
    return period


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^({_DURATION.pattern}|{_NUMBER.pattern})$"},
                {"type": "number"},
            ]
        }
    ),
]
"""A setting's duration: `30s`, `5m`, `1h30m`, or a number of seconds."""

Period = Annotated[Duration, AfterValidator(_positive)]
"""A duration that is not zero: the time between two runs of something."""
