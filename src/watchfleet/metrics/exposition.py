"""What a target shows at `/metrics`: Prometheus's text format 0.0.4 and OpenMetrics 1.0.

The verdict on a page is Prometheus's own: one malformed line refuses the page. prometheus_client's parsers
cost six to eight times as much a sample, and take and refuse other pages than Prometheus does.

Sources: "Exposition formats" in Prometheus's documentation; the OpenMetrics specification, version 1.0.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from watchfleet.errors import WatchfleetError
from watchfleet.model import Kind

OPENMETRICS: Final = "application/openmetrics-text"

_NAME: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_LABEL: Final = r'[a-zA-Z_][a-zA-Z0-9_]*+{gap}={gap}"(?:[^"\\]|\\.)*+"'
_VALUE: Final = r"[+-]?(?:(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?|(?i:inf(?:inity)?|nan))"
_FAMILY: Final = re.compile(_NAME)


def _labels(gap: str, last: str) -> str:
    """Labels in braces, with what may stand between their parts and behind the last."""
    label = _LABEL.replace("{gap}", gap)
    return rf"\{{{gap}(?:{label}{gap}(?:,{gap}{label}{gap})*+{last})?\}}"


_GAP: Final = r"[ \t]*+"
_TEXT_LINE: Final = re.compile(
    rf"({_NAME}){_GAP}({_labels(_GAP, f',?{_GAP}')})?{_GAP}({_VALUE})(?:[ \t]++([0-9]{{1,19}}))?{_GAP}"
)
_CLOSE: Final = _labels("", "")
_OPEN_LINE: Final = re.compile(
    rf"({_NAME})({_CLOSE})? ({_VALUE})(?: ({_VALUE}))?( # {_CLOSE} {_VALUE}(?: {_VALUE})?)?"
)
_PAIR: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*+)[ \t]*+=[ \t]*+"((?:[^"\\]|\\.)*+)"')
_ESCAPED: Final = re.compile(r'\\([\\"n])')
_OPEN_COMMENT: Final = re.compile(rf"# (HELP|TYPE|UNIT) ({_NAME}) (.*)")
_TEXT_TYPES: Final = frozenset({"counter", "gauge", "histogram", "summary", "untyped"})
_OPEN_TYPES: Final = frozenset(
    {"counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"}
)
_SUFFIXES: Final = ("_total", "_bucket", "_count", "_sum", "_created", "_info", "_gcount", "_gsum")
_INFINITIES: Final = (float("inf"), float("-inf"))
_FAR: Final = 9e12
_UNTOLD: Final = frozenset({"unknown", "untyped"})
_RISING: Final = {
    "counter": ("", "_total"),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
}
"""What only rises, of each type: its names' ends."""


class ExpositionError(WatchfleetError):
    """A page is not in the format that it claims.

    Args:
        line: The first line that is wrong, from 1.
        what: What is wrong with it.
    """

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line


class Exposed(NamedTuple):
    """One sample of a page.

    Attributes:
        name: The metric's name.
        labels: Its labels as they are exposed.
        kind: What its family's type makes of it.
        ts: The time that the page gives, in Unix seconds; None if it gives none.
        value: Its value.
    """

    name: str
    labels: dict[str, str]
    kind: Kind
    ts: float | None
    value: float


def parse(body: bytes, content_type: str) -> Iterator[Exposed]:
    """The samples of a page, in their order.

    Args:
        body: The page.
        content_type: Its media type: OpenMetrics, or anything else for the text format.

    Raises:
        ExpositionError: A line is malformed; what came before it is not to be used either.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ExpositionError(body.count(b"\n", 0, error.start) + 1, "not UTF-8") from error
    if content_type.partition(";")[0].strip().lower() == OPENMETRICS:
        return _open(text)
    return _text(text)


def kind_of(name: str, types: dict[str, str]) -> Kind:
    """What a sample's value means, by the type of its family; of no known type, by its name.

    Args:
        name: The sample's name.
        types: The type of each family by its name.
    """
    for suffix in ("", *_SUFFIXES):
        if name.endswith(suffix):
            kind = types.get(name.removesuffix(suffix), "unknown")
            if kind not in _UNTOLD:
                return Kind.COUNTER if suffix in _RISING.get(kind, ()) else Kind.GAUGE
    return Kind.COUNTER if name.endswith("_total") else Kind.GAUGE


def seconds(milliseconds: int) -> float:
    """Unix seconds; the nearest that a batch can carry for what is further away, to be rejected."""
    return min(max(milliseconds / 1000, -_FAR), _FAR)


def _text(text: str) -> Iterator[Exposed]:
    types: dict[str, str] = {}
    kinds: dict[str, Kind] = {}
    for number, line in enumerate(text.split("\n"), 1):
        found = _TEXT_LINE.fullmatch(line)
        if found is not None:
            name, labels, value, stamp = found.groups()
            kind = kinds.get(name) or kinds.setdefault(name, kind_of(name, types))
            ts = seconds(int(stamp)) if stamp else None
            pairs = _pairs(labels, number) if labels else {}
            yield Exposed(name, pairs, kind, ts, _number(value, number))
            continue
        bare = line.strip(" \t")
        if bare.startswith("#"):
            _comment(bare, types, number)
            kinds.clear()
        elif bare:
            raise ExpositionError(number, f"{bare[:80]!r} is no sample")


def _comment(line: str, types: dict[str, str], number: int) -> None:
    """Take in the type that a comment tells; any comment is fine that does not try to."""
    words = line.split(maxsplit=3)
    if len(words) < 3 or words[:2] != ["#", "TYPE"]:
        return
    kind = words[3] if len(words) > 3 else ""
    if kind not in _TEXT_TYPES or not _FAMILY.fullmatch(words[2]):
        raise ExpositionError(number, f"{line[:80]!r} tells no type")
    types[words[2]] = kind


def _open(text: str) -> Iterator[Exposed]:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    types: dict[str, str] = {}
    kinds: dict[str, Kind] = {}
    for number, line in enumerate(lines, 1):
        found = _OPEN_LINE.fullmatch(line)
        if found is not None:
            name, labels, value, stamp, exemplar = found.groups()
            if exemplar and not name.endswith(("_total", "_bucket")):
                raise ExpositionError(number, "only counters and buckets have exemplars")
            kind = kinds.get(name) or kinds.setdefault(name, kind_of(name, types))
            ts = _instant(stamp, number) if stamp else None
            pairs = _pairs(labels, number) if labels else {}
            yield Exposed(name, pairs, kind, ts, _number(value, number))
        elif line == "# EOF":
            if number < len(lines):
                raise ExpositionError(number + 1, "there is more after # EOF")
            return
        else:
            _open_comment(line, types, number)
            kinds.clear()
    raise ExpositionError(len(lines) + 1, "the page does not end with # EOF")


def _open_comment(line: str, types: dict[str, str], number: int) -> None:
    found = _OPEN_COMMENT.fullmatch(line)
    if found is None:
        raise ExpositionError(number, f"{line[:80]!r} is neither a sample nor a comment of OpenMetrics")
    if found[1] == "TYPE":
        if found[3] not in _OPEN_TYPES:
            raise ExpositionError(number, f"there is no type {found[3][:80]!r}")
        types[found[2]] = found[3]
    if found[1] == "UNIT" and found[3] and not found[2].endswith(f"_{found[3]}"):
        raise ExpositionError(number, "the unit is no part of the metric's name")


def _number(value: str, number: int) -> float:
    found = float(value)
    if found in _INFINITIES and value[-1].isdigit():
        raise ExpositionError(number, f"{value[:80]} is beyond all numbers")
    return found


def _instant(stamp: str, number: int) -> float:
    ts = float(stamp)
    if not abs(ts) < float("inf"):
        raise ExpositionError(number, f"{stamp[:80]!r} is no time")
    return min(max(ts, -_FAR), _FAR)


def _pairs(labels: str, number: int) -> dict[str, str]:
    found = _PAIR.findall(labels)
    pairs = dict(found)
    if len(pairs) < len(found):
        raise ExpositionError(number, "a label is given twice")
    if "\\" in labels:
        return {name: _ESCAPED.sub(_unescape, value) for name, value in found}
    return pairs


def _unescape(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]
