"""A line of a log for people: JSON records as text, nothing that a terminal would obey."""

import json
from typing import Any, Final

from watchfleet.logs.context import CONTEXT
from watchfleet.logs.escape import escape_controls

_SHOWN: Final = frozenset({"time", "level", "logger", "message", "process", "pid", "exception"})


def readable(line: str) -> list[str]:
    """A line of ours as it reads in the form `text`, with its traceback; any other as it is, but escaped."""
    record = _record(line)
    if record is None:
        return [escape_controls(line)]
    belongs = [f"{name}={record[name]}" for name in CONTEXT if name in record]
    others = [f"{name}={_value(value)}" for name, value in record.items() if name not in {*_SHOWN, *CONTEXT}]
    heading = f"{record['time']} {record['level']} {record.get('process', '-')} {record.get('logger', '-')}: "
    first = " ".join([heading + str(record["message"]), *belongs, *others])
    return [escape_controls(text) for text in (first, *_indented(record.get("exception")))]


def _record(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict) and {"time", "level", "message"} <= found.keys():
        return found
    return None


def _indented(exception: object) -> list[str]:
    return [f"  {text}" for text in exception.splitlines()] if isinstance(exception, str) else []


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
