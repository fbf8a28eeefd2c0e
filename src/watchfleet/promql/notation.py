"""Series as Prometheus's tests write them: `up{job="api"} 1x4 0+10x5 _ stale`."""

import re
from typing import Final

from watchfleet.errors import WatchfleetError
from watchfleet.promql.errors import ParseError
from watchfleet.promql.labels import Labels, labels_of
from watchfleet.promql.literals import number_of
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.parser import parse_series_labels
from watchfleet.promql.source import STALE

MOST_VALUES: Final = 1_000_000
"""Values that one notation may stand for."""

# No hexadecimal ones: 0x10 is ten more zeros.
_NUMBER: Final = r"(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[iI][nN][fF]|[nN][aA][nN])"
_ITEM: Final = re.compile(
    rf"(?P<first>[+-]?{_NUMBER})(?:(?P<change>[+-]{_NUMBER})(?=x))?(?:x(?P<times>\d+))?"
)
_BLANK: Final = re.compile(r"_(?:x(?P<times>\d+))?")
_LABELS: Final = re.compile(
    r"""\s*[a-zA-Z_:]?[a-zA-Z0-9_:]*\s*(?:\{(?!\{)(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|[^"'`}])*\})?"""
)


class NotationError(WatchfleetError):
    """A series is not written as Prometheus's tests write them."""


class NativeHistogramError(NotationError):
    """Native histograms, written `{{...}}`, are not supported."""


def parse_series(text: str, keep: int | None = None) -> tuple[Labels, list[float | None]]:
    """A series and its values.

    Args:
        text: The series, white space, and the values.
        keep: How many of the values are wanted at least; then there may be any number of others.

    Returns:
        The labels, and the values in turn: None where there is no sample, `STALE` where the series ends.

    Raises:
        NotationError: It is malformed; tells what.
        NativeHistogramError: A value is a native histogram.
    """
    found = _LABELS.match(text)
    end = found.end() if found else 0
    return parse_labels(text[:end]), parse_values(text[end:], keep)


def parse_labels(text: str) -> Labels:
    """The labels of a series such as `up{job="api"}`.

    Raises:
        NotationError: They are malformed.
    """
    try:
        matchers = parse_series_labels(text)
    except ParseError as error:
        raise NotationError(f"{text.strip()!r} is no series: {error.cause}") from error
    return _labels(text, matchers)


def _labels(text: str, matchers: tuple[Matcher, ...]) -> Labels:
    for matcher in matchers:
        if matcher.op != "=":
            raise NotationError(f"{text.strip()!r} is no series: a label's value stands after =")
    return labels_of({matcher.name: matcher.value for matcher in matchers})


def parse_values(text: str, keep: int | None = None) -> list[float | None]:
    """Values such as `1 2+3x4 _ stale`: `a+bxn` stands for a, a+b, ... a+n*b, `axn` for n+1 times a.

    Args:
        text: The values.
        keep: How many of them are wanted at least; then there may be any number of others.

    Raises:
        NotationError: One is malformed, or they are too many.
        NativeHistogramError: One is a native histogram.
    """
    if "{{" in text:
        raise NativeHistogramError("native histograms are not supported")
    values: list[float | None] = []
    for item in text.split():
        values += _expand(item, keep)
        if len(values) > MOST_VALUES:
            raise NotationError(f"a series may have {MOST_VALUES} values at most")
    return values


def _expand(item: str, keep: int | None) -> list[float | None]:
    if item == "stale":
        return [STALE]
    if blank := _BLANK.fullmatch(item):
        return [None] * _times(blank["times"] or "1", keep)
    found = _ITEM.fullmatch(item)
    if found is None:
        raise NotationError(f"{item!r} is no value; write 1, 1x5, 1+2x5, _, _x5 or stale")
    value = _signed(found["first"])
    if found["times"] is None:
        return [value]
    change = _signed(found["change"]) if found["change"] else 0.0
    values: list[float | None] = []
    for _ in range(_times(found["times"], keep) + 1):
        values.append(value)
        value += change
    return values


def _times(text: str, keep: int | None) -> int:
    if keep is not None and len(text) < 19:
        return min(int(text), keep)
    if len(text) > 7 or int(text) > MOST_VALUES:
        raise NotationError(f"a series may have {MOST_VALUES} values at most")
    return int(text)


def _signed(text: str) -> float:
    number = number_of(text.lstrip("+-"))
    return -number if text.startswith("-") else number
