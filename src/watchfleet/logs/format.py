"""A log record as a line of JSON or of text, in UTC, on one line, without secrets."""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from watchfleet.logs.context import CONTEXT, context_of
from watchfleet.logs.escape import escape_controls, escape_json
from watchfleet.redact import MASK, is_secret_name, redact

LONGEST: Final = 128 * 1024
"""Characters of a message or a traceback; what is over is left out, and told."""
_DEEPEST: Final = 4
_WIDEST: Final = 64
_STANDARD: Final = frozenset({*vars(logging.makeLogRecord({})), *CONTEXT, "asctime", "message", "taskName"})


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, where it belongs to, what `extra` added."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line, without its end."""
        fields: dict[str, Any] = {
            "time": time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "message": message_of(record),
            **context_of(record),
            "process": record.processName,
            "pid": record.process,
        }
        for name, value in _extras(record):
            fields.setdefault(name, value)
        if exception := exception_of(record):
            fields["exception"] = exception
        return escape_json(json.dumps(fields, ensure_ascii=False))


class TextFormatter(logging.Formatter):
    """A line for people; a traceback follows, indented so that nothing in it looks like a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's lines, without the last one's end."""
        belongs = "".join(f" {name}={value}" for name, value in context_of(record).items())
        heading = f"{time_of(record)} {record.levelname} {record.processName} {record.name}: "
        lines = [heading + escape_controls(message_of(record)) + escape_controls(belongs)]
        lines += [f"  {escape_controls(line)}" for line in exception_of(record).splitlines()]
        return "\n".join(lines)


FORMATTERS: Final[Mapping[str, Callable[[], logging.Formatter]]] = {
    "json": JsonFormatter,
    "text": TextFormatter,
}


def time_of(record: logging.LogRecord) -> str:
    """When it was logged, such as `2026-11-25T09:30:00.123456Z`."""
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def message_of(record: logging.LogRecord) -> str:
    """The finished message, redacted; of arguments that do not fit, the message as it was written."""
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - a wrong %-format must not cost the line
        message = f"{record.msg} {record.args}"
    return _cut(redact(message))


def exception_of(record: logging.LogRecord) -> str:
    """The traceback and the stack, redacted; empty if there are none."""
    parts = []
    if record.exc_info:
        parts.append(logging.Formatter().formatException(record.exc_info))
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(record.stack_info)
    return _cut(redact("\n".join(parts)))


def _extras(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    if record.name.startswith("celery"):
        return  # its `data` repeats a task's arguments
    for name, value in vars(record).items():
        if name not in _STANDARD and not name.startswith("_"):
            yield name, _plain(name, value)


def _plain(name: str, value: Any, depth: int = 0) -> Any:
    """A value that JSON takes, redacted, no deeper and no wider than is readable."""
    if is_secret_name(name):
        return MASK
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int):
        return value
    if depth < _DEEPEST and isinstance(value, Mapping):
        pairs = zip(range(_WIDEST), value.items(), strict=False)
        return {str(key): _plain(str(key), one, depth + 1) for _, (key, one) in pairs}
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_plain("", one, depth + 1) for _, one in zip(range(_WIDEST), value, strict=False)]
    return _cut(redact(str(value)))


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… ({len(text) - LONGEST} more characters)"
