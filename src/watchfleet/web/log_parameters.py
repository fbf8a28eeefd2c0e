"""The parameters of requests about logs."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from werkzeug.datastructures import MultiDict

from watchfleet.logs.errors import LogQueryError
from watchfleet.logs.query import Cursor, Query
from watchfleet.logs.when import read_when

SEARCH: Final = {
    "file": "a name or a pattern with * ? [; may be repeated; by default every file",
    "level": "this level and worse ones",
    "text": "what a line must hold",
    "pattern": "what a line must fit, by RE2's syntax",
    "ignore_case": "whether capitals are the same",
    "from": "the first time: an instant in any common form, or how long ago, such as 2h",
    "to": "the first time that is not wanted any more",
    "logger": "the logger, or one above it",
    "correlation_id": "what the record belongs to",
    "field": "name:value of a JSON record; may be repeated",
    "order": "newest or oldest first",
    "context": "lines before and after each record",
    "limit": "how many records",
    "cursor": "where the last answer ended",
}
"""Each parameter, and what it means."""
_YES: Final = frozenset({"1", "true", "yes", "on", ""})
_NO: Final = frozenset({"0", "false", "no", "off"})
_Arguments = MultiDict[str, str]


def query(arguments: _Arguments, now: datetime, more: Iterable[str] = ()) -> Query:
    """The question that parameters ask.

    Raises:
        LogQueryError: One of them is unknown or no use; names it.
    """
    known(arguments, (*SEARCH, *more))
    text = arguments.get("cursor")
    return Query(
        files=tuple(arguments.getlist("file")),
        level=arguments.get("level") or None,
        text=arguments.get("text") or None,
        pattern=arguments.get("pattern") or None,
        ignore_case=boolean(arguments, "ignore_case"),
        start=_time(arguments, "from", now),
        end=_time(arguments, "to", now),
        logger=arguments.get("logger") or None,
        correlation_id=arguments.get("correlation_id") or None,
        fields=dict(_field(one) for one in arguments.getlist("field")),
        newest_first=_newest_first(arguments),
        context=number(arguments, "context", 0),
        limit=number(arguments, "limit", 100),
        cursor=Cursor.decode(text) if text else None,
    )


def known(arguments: _Arguments, names: Iterable[str]) -> None:
    """Refuse a parameter that means nothing: it may be a slip, and the answer another one than was meant."""
    unknown = sorted(set(arguments) - set(names))
    if unknown:
        raise LogQueryError(unknown[0], f"there is no such parameter; there are {', '.join(names) or 'none'}")


def boolean(arguments: _Arguments, name: str) -> bool:
    """A parameter that is on or off."""
    given = arguments.get(name, "0").lower()
    if given not in _YES | _NO:
        raise LogQueryError(name, f"{given!r} is neither true nor false")
    return given in _YES


def number(arguments: _Arguments, name: str, default: int, most: int = 10**9) -> int:
    """A parameter that is a whole number."""
    given = arguments.get(name, str(default))
    if not given.isdecimal() or len(given) > 10 or not 0 <= int(given) <= most:
        raise LogQueryError(name, f"{given[:50]!r} is no number from 0 to {most}")
    return int(given)


def _time(arguments: _Arguments, name: str, now: datetime) -> int | None:
    given = arguments.get(name)
    return read_when(name, given, now) if given else None


def _field(given: str) -> tuple[str, str]:
    name, separator, value = given.partition(":")
    if not separator or not name:
        raise LogQueryError("field", f"{given!r} is not of the form name:value")
    return name, value


def _newest_first(arguments: _Arguments) -> bool:
    given = arguments.get("order", "newest")
    if given not in {"newest", "oldest"}:
        raise LogQueryError("order", f"{given!r} is neither newest nor oldest")
    return given == "newest"
