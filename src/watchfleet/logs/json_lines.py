"""The fields of a JSON line, under the names that loggers give them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

_LONGEST: Final = 512 * 1024
_TIMES: Final = (
    "time",
    "timestamp",
    "@timestamp",
    "ts",
    "t",
    "datetime",
    "date",
    "asctime",
    "eventTime",
    "@t",
)
_TIMES_TOO: Final = (
    "created",
    "epoch",
    "timeMillis",
    "Timestamp",
    "time_local",
    "instant",
    "__REALTIME_TIMESTAMP",
    "timeUnixNano",
    "record.time.timestamp",
)
_LEVELS: Final = (
    "levelname",
    "level_name",
    "level",
    "severity",
    "severityText",
    "lvl",
    "log.level",
    "loglevel",
    "s",
    "@l",
    "Level",
    "PRIORITY",
    "record.level.name",
)
_TIME_LIKE: Final = re.compile("time|date", re.IGNORECASE)
_LEVEL_LIKE: Final = re.compile("level|severity", re.IGNORECASE)
"""Parts of the names that loggers give to a time and a level, where no usual name is there."""
_MESSAGES: Final = ("message", "msg", "event", "text", "log", "@m", "MESSAGE", "short_message", "body")
_LOGGERS: Final = (
    "logger",
    "name",
    "logger_name",
    "loggerName",
    "log.logger",
    "c",
    "component",
    "SourceContext",
)
_CORRELATIONS: Final = (
    "correlation_id",
    "x_correlation_id",
    "request_id",
    "correlationId",
    "requestId",
    "trace_id",
    "traceId",
)
_EARLIEST: Final = 1e8
"""A smaller number is no time: how long something took, or a count."""
_CLOCK: Final = re.compile(r"\d:\d\d|\d{8}")


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object, as a line of a log."""

    values: Mapping[str, Any]

    def time(self) -> tuple[str | float | None, str | None]:
        """The time, as text or as a number, and as it is written."""
        for name in chain(_TIMES, _TIMES_TOO, filter(_TIME_LIKE.search, self.values)):
            found = _time(self.get(name))
            if found is not None:
                return found, str(found)
        return None, None

    def level(self) -> str | int | None:
        """The level as it is written; digits as a number."""
        for name in chain(_LEVELS, filter(_LEVEL_LIKE.search, self.values)):
            value = self.get(name)
            if isinstance(value, str) and value.isdigit():
                return int(value)
            if isinstance(value, str | int) and not isinstance(value, bool):
                return value
        return None

    def message(self) -> str | None:
        """The message."""
        return self._first_text(_MESSAGES)

    def logger(self) -> str | None:
        """The logger's name."""
        return self._first_text(_LOGGERS)

    def correlations(self) -> set[str]:
        """Every id by which it can be told to belong to others."""
        return {value for name in _CORRELATIONS if isinstance(value := self.get(name), str)}

    def get(self, path: str) -> Any:
        """A field by its name, or by names joined with dots; None if there is none."""
        if path in self.values:
            return self.values[path]
        if "." not in path:
            return None
        value: Any = self.values
        for name in path.split("."):
            if not isinstance(value, Mapping) or name not in value:
                return None
            value = value[name]
        return value

    def _first_text(self, names: tuple[str, ...]) -> str | None:
        for name in names:
            value = self.get(name)
            if isinstance(value, str):
                return value
        return None


def fields_of(line: bytes) -> Fields | None:
    """The fields of a line that is a JSON object; None if it is none."""
    start = line.find(b"{", 0, 1)
    if start != 0 or len(line) > _LONGEST:
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return Fields(found) if isinstance(found, dict) else None


def _time(value: Any) -> str | float | None:
    """What a field says if it can be a time."""
    if isinstance(value, Mapping):  # MongoDB's {"$date": ...}, log4j's {"epochSecond": ..., ...}
        value = _instant(value)
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if isinstance(value, str):
        return value if _CLOCK.search(value) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and value > _EARLIEST:
        return value
    return None


def _instant(value: Mapping[str, Any]) -> Any:
    if "$date" in value:
        return value["$date"]
    seconds, nanoseconds = value.get("epochSecond"), value.get("nanoOfSecond", 0)
    if isinstance(seconds, int) and isinstance(nanoseconds, int):
        return seconds + nanoseconds / 1e9
    return None
