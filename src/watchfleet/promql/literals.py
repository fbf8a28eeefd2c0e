"""What number, duration and string tokens mean."""

import re
from typing import Final

from watchfleet.promql.errors import ParseError, Span

_DURATION: Final = re.compile(
    r"(?:(?P<y>\d+)y)?(?:(?P<w>\d+)w)?(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?"
    r"(?:(?P<s>\d+)s)?(?:(?P<ms>\d+)ms)?"
)
_SECONDS: Final = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_OCTAL: Final = re.compile(r"0_?[0-7](?:_?[0-7])*")
_SIMPLE: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\",
}  # fmt: skip
_ESCAPE: Final = re.compile(
    r"\\(?:x(?P<byte>[0-9a-fA-F]{2})|(?P<octal>[0-7]{3})|u(?P<short>[0-9a-fA-F]{4})"
    r"|U(?P<long>[0-9a-fA-F]{8})|(?P<simple>.))"
)
LONGEST: Final = 2**63 / 1e9
"""Seconds: the longest duration that Prometheus can hold."""


def number_of(text: str) -> float:
    """A number's value; `0x1f` is hexadecimal and `017` octal, as in Go."""
    plain = text.replace("_", "").lower()
    if plain.startswith("0x"):
        return _large(int(plain, 16))
    if _OCTAL.fullmatch(text):
        return _large(int(plain, 8))
    return float(plain)


def _large(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf")


def seconds_of(text: str) -> float | None:
    """A duration's length such as `1h30m`, in seconds; None if its units repeat or are out of order."""
    found = _DURATION.fullmatch(text)
    if found is None or len(text) > 200:
        return None
    parts = {unit: int(count) for unit, count in found.groupdict(default="0").items()}
    milliseconds = parts.pop("ms")
    return (sum(count * _SECONDS[unit] for unit, count in parts.items()) * 1000 + milliseconds) / 1000


def unquote(token: str, span: Span) -> str:
    r"""A string token's value; `\xff` becomes a byte, as surrogateescape carries it if it is not UTF-8.

    Raises:
        ParseError: It has an escape that Go does not know.
    """
    if token[0] == "`":
        return token[1:-1]
    pieces = _ESCAPE.sub(lambda found: _escaped(found, token[0], span), token[1:-1])
    return pieces.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _escaped(found: re.Match[str], delimiter: str, span: Span) -> str:
    simple = found["simple"]
    if simple == delimiter or simple in _SIMPLE:
        return _SIMPLE.get(simple, simple)
    if simple is None:
        code = int(found["byte"] or found["short"] or found["long"] or "0", 16) or int(
            found["octal"] or "0", 8
        )
        if found["byte"] or found["octal"]:
            return chr(code) if code < 0x80 else chr(0xDC00 + code) if code < 0x100 else _unknown(found, span)
        return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else _unknown(found, span)
    return _unknown(found, span)


def _unknown(found: re.Match[str], span: Span) -> str:
    start = span.start + 1 + found.start()
    raise ParseError(f"unknown escape sequence {found.group()}", Span(start, start + len(found.group())))
