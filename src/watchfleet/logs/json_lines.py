"""The fields of a JSON line, under the names that loggers give them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
)
_LEVELS: Final = (
    "level",
    "severity",
    "levelname",
    "lvl",
    "log.level",
    "loglevel",
    "s",
    "@l",
    "Level",
    "PRIORITY",
)
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
_NESTED: Final = ("log", "attributes", "record")


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object, as a line of a log."""

    values: Mapping[str, Any]

    def time(self) -> tuple[str | float | None, str | None]:
        """The time, as text or as a number, and as it is written."""
        for name in (*_TIMES, *_TIMES_TOO):
            value = self.values.get(name)
            if isinstance(value, Mapping):  # MongoDB's {"$date": ...}, log4j's {"epochSecond": ..., ...}
                value = _instant(value)
            if isinstance(value, str) and value.isdigit():
                return float(value), value
            if isinstance(value, str) and value:
                return value, value
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value, str(value)
        return None, None

    def level(self) -> str | int | None:
        """The level as it is written."""
        for name in _LEVELS:
            value = self.get(name)
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


def _instant(value: Mapping[str, Any]) -> Any:
    if "$date" in value:
        return value["$date"]
    seconds, nanoseconds = value.get("epochSecond"), value.get("nanoOfSecond", 0)
    if isinstance(seconds, int) and isinstance(nanoseconds, int):
        return seconds + nanoseconds / 1e9
    return None
