"""What a signal's fields must be like, and the form in which they travel."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from numbers import Real
from typing import Any, Final

from watchfleet.model import Kind

Check = Callable[[Any], Any]
"""Returns a field's value in the form in which it travels; raises ValueError when it has none."""

MOST_LABELS: Final = 16
LAST_INSTANT: Final = 253_402_300_800.0
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,199}")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,99}")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a signal: its check, and whether the signal means nothing without it."""

    check: Check
    required: bool = False


def text(longest: int) -> Check:
    """Text of 1 to `longest` characters that PostgreSQL can keep; a whole number is written out."""

    def check(value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value or len(value) > longest:
            raise ValueError(f"not a text of 1 to {longest} characters")
        if "\0" in value:
            raise ValueError("holds a NUL character")
        value.encode()  # half a surrogate pair is a UnicodeEncodeError, which is a ValueError
        return value

    return check


def reason(value: Any) -> Any:
    """The start of a text, or the name of an exception's class."""
    if isinstance(value, BaseException):
        value = type(value).__name__
    return text(200)(value[:200] if isinstance(value, str) else value)


def number(value: Any) -> float:
    """A finite number of any type that calls itself real."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError("not a finite number")
    return float(value)


def amount(value: Any) -> float:
    """A finite number that is not negative."""
    found = number(value)
    if found < 0:
        raise ValueError("negative")
    return found


def instant(value: Any) -> float:
    """Unix seconds of a number or of an aware datetime."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone")
        value = value.timestamp()
    found = amount(value)
    if found >= LAST_INSTANT:
        raise ValueError("past the year 9999; Unix seconds are expected")
    return found


def metric_name(value: Any) -> str:
    """A metric's name by Prometheus's rules."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("not a metric's name")
    return value


def labels(value: Any) -> dict[str, str]:
    """Labels by Prometheus's rules; one that is None or empty is left out, which means the same there."""
    if not isinstance(value, Mapping) or len(value) > MOST_LABELS:
        raise ValueError(f"not a mapping of at most {MOST_LABELS} labels")
    if not all(isinstance(name, str) and _LABEL.fullmatch(name) for name in value):
        raise ValueError("holds what is not a label's name")
    return {name: _LABEL_TEXT(content) for name, content in value.items() if content not in (None, "")}


_LABEL_TEXT = text(256)
_ACCOUNT: Final = {
    "platform": Field(text(64), required=True),
    "account": Field(text(256), required=True),
    "group": Field(text(128)),
    "id": Field(text(128)),
    "at": Field(instant),
}
FIELDS: Final[Mapping[str, Mapping[str, Field]]] = {
    "account_scraped": {**_ACCOUNT, "duration": Field(amount)},
    "scrape_failed": {**_ACCOUNT, "duration": Field(amount), "reason": Field(reason)},
    "engagement_recorded": {
        **_ACCOUNT,
        "likes": Field(amount),
        "comments": Field(amount),
        "shares": Field(amount),
        "views": Field(amount),
    },
    "followers_counted": {
        **_ACCOUNT,
        "followers": Field(amount, required=True),
        "following": Field(amount),
        "posts": Field(amount),
    },
    "content_found": {**_ACCOUNT, "count": Field(amount), "kind": Field(text(64))},
    "business_metric": {
        "name": Field(metric_name, required=True),
        "value": Field(number, required=True),
        "kind": Field(Kind),
        "labels": Field(labels),
        "at": Field(instant),
    },
}
"""The fields of each signal in `watchfleet.signals`, by its name."""


def checked(signal: str, given: Mapping[str, Any], complain: Callable[[str, str], None]) -> dict[str, Any]:
    """The fields that can be used, in the form in which they travel.

    Args:
        signal: The signal's name.
        given: What its sender gave.
        complain: Called with a field's name and what is wrong with it, for each that cannot be used.

    Raises:
        LookupError: A required field is missing or cannot be used.
    """
    schema = FIELDS[signal]
    found = {}
    for name, value in given.items():
        if value is None:
            continue
        if name not in schema:
            complain(name, "unknown")
            continue
        try:
            found[name] = schema[name].check(value)
        except (ArithmeticError, TypeError, ValueError) as error:
            complain(name, str(error))
    for name, field in schema.items():
        if field.required and name not in found:
            raise LookupError(name)
    return found
