"""Numbers and strings as Prometheus prints them, which is as Go does."""

import math
from decimal import Decimal
from typing import Final

_ESCAPES: Final = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    "\\": "\\\\", '"': '\\"',
}  # fmt: skip


def format_value(value: float) -> str:
    """The shortest decimal text that reads back as this number, never with an exponent."""
    return _special(value) or _plain(value)


def format_json_value(value: float) -> str:
    """A sample's value as Prometheus's HTTP API writes it: plain, unless it is tiny or huge."""
    plain = value == 0 or 1e-6 <= abs(value) < 1e21
    return _special(value) or (_plain(value) if plain else _scientific(value))


def format_short(value: float) -> str:
    """A number as Go's `%v` prints it, in messages and templates: `1e+06`, `0.25`, `+Inf`."""
    plain = value == 0 or -4 <= _exponent(value) < 6 if math.isfinite(value) else False
    return _special(value) or (_plain(value) if plain else _scientific(value))


def format_openmetrics(value: float) -> str:
    """A number as OpenMetrics wants it in labels: `1.0`, `0.99`, `+Inf`."""
    text = format_short(value)
    return text if not math.isfinite(value) or any(sign in text for sign in ".e") else f"{text}.0"


def quote(text: str) -> str:
    r"""Text in double quotes with Go's escapes; bytes that are not UTF-8 show as `\xff`."""
    return '"' + "".join(_escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how Python's surrogateescape carries a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if char.isprintable():
        return char
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return ""


def _plain(value: float) -> str:
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scientific(value: float) -> str:
    sign, digits, _ = Decimal(repr(value)).as_tuple()
    mantissa = "".join(map(str, digits)).rstrip("0") or "0"
    exponent = _exponent(value)
    fraction = f".{mantissa[1:]}" if mantissa[1:] else ""
    return f"{'-' if sign else ''}{mantissa[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _exponent(value: float) -> int:
    return Decimal(repr(value)).adjusted()
