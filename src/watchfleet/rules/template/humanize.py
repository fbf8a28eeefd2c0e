"""Numbers for people, as Prometheus's template functions write them."""

import math
import re
from typing import Any, Final

from watchfleet.promql.format import format_value, quote
from watchfleet.rules.template.errors import TemplateError
from watchfleet.rules.template.printf import sprintf
from watchfleet.rules.template.times import FARTHEST, format_time
from watchfleet.rules.template.values import Duration, Time, go_type

_FLOAT: Final = re.compile(
    r"[+-]?(?:inf|infinity|nan|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|0x[0-9a-f]*\.?[0-9a-f]*p[+-]?\d+)",
    re.IGNORECASE | re.ASCII,
)
_LARGE: Final = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_BINARY: Final = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_SMALL: Final = ("m", "u", "n", "p", "f", "a", "z", "y")
_NANOSECONDS: Final = 1e9
_LONGEST_TEXT: Final = 400


def number_of(value: Any) -> float:
    """What the functions take for a number: one, a text that is one, a duration's seconds.

    Raises:
        TemplateError: It is none of them.
    """
    match value:
        case Duration():
            return value.nanoseconds / _NANOSECONDS
        case int() | float() if not isinstance(value, bool):
            return float(value)
        case str() if type(value) is str:
            return _parsed(value)
    raise TemplateError(f"can't convert {go_type(value)} to float")


def _parsed(text: str) -> float:
    if len(text) > _LONGEST_TEXT or not _FLOAT.fullmatch(text):
        raise TemplateError(f"strconv.ParseFloat: parsing {quote(text[:_LONGEST_TEXT])}: invalid syntax")
    if "x" in text.lower():
        return float.fromhex(text)
    number = float(text)
    if math.isinf(number) and "n" not in text.lower():
        raise TemplateError(f"strconv.ParseFloat: parsing {quote(text)}: value out of range")
    return number


def _short(value: float) -> str:
    return sprintf("%.4g", [value])


def _scaled(value: float, base: float, prefixes: tuple[str, ...]) -> str:
    prefix = ""
    for candidate in prefixes:
        if abs(value) < base:
            break
        prefix, value = candidate, value / base
    return f"{_short(value)}{prefix}"


def _raised(value: float) -> str:
    prefix = ""
    for candidate in _SMALL:
        if abs(value) >= 1:
            break
        prefix, value = candidate, value * 1000
    return f"{_short(value)}{prefix}"


def humanize(given: Any) -> str:
    """A number with a metric prefix: `1.234k`, `12m`."""
    value = number_of(given)
    if value == 0 or not math.isfinite(value):
        return _short(value)
    return _scaled(value, 1000, _LARGE) if abs(value) >= 1 else _raised(value)


def humanize1024(given: Any) -> str:
    """A number with a binary prefix: `1.5Gi`."""
    value = number_of(given)
    if abs(value) <= 1 or not math.isfinite(value):
        return _short(value)
    return _scaled(value, 1024, _BINARY)


def humanize_duration(given: Any) -> str:
    """Seconds as days, hours, minutes and seconds: `1d 2h 3m 4s`."""
    value = number_of(given)
    if not math.isfinite(value):
        return _short(value)
    if value == 0:
        return f"{_short(value)}s"
    if abs(value) < 1:
        return f"{_raised(value)}s"
    sign, value = ("-", -value) if value < 0 else ("", value)
    minutes, seconds = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{_short(value)}s"


def humanize_percentage(given: Any) -> str:
    """A ratio in per cent: `12.3%`."""
    return f"{_short(number_of(given) * 100)}%"


def humanize_timestamp(given: Any) -> str:
    """Unix seconds as a time in UTC: `2015-06-23 13:19:44.128 +0000 UTC`."""
    value = number_of(given)
    return format_time(_time(value)) if math.isfinite(value) else _short(value)


def to_time(given: Any) -> Time:
    """Unix seconds as a time, which has methods."""
    value = number_of(given)
    if not math.isfinite(value):
        raise TemplateError("value is NaN or Inf")
    return _time(value)


def to_duration(given: Any) -> Duration:
    """Seconds as a duration."""
    value = number_of(given)
    if not math.isfinite(value) or abs(value * _NANOSECONDS) >= 2**63:
        raise TemplateError(f"{format_value(value)} is too long for a duration")
    return Duration(int(value * _NANOSECONDS))


def _time(value: float) -> Time:
    nanoseconds = value * _NANOSECONDS
    if abs(nanoseconds) >= 2**63:
        cause = "cannot be represented as a nanoseconds timestamp since it overflows int64"
        raise TemplateError(f"{sprintf('%v', [value])} {cause}")
    return Time(min(int(nanoseconds) // 1_000_000, FARTHEST))
