"""The order of a vector's series: by value, or by labels with numbers in them counted as numbers."""

import re
from functools import cmp_to_key
from typing import Final

import numpy as np

from watchfleet.promql.frame import Frame, taken
from watchfleet.promql.labels import Labels, value_of

_CHUNK: Final = re.compile(r"\d+|\D+", re.ASCII)
_LONGEST_NUMBER: Final = 18
"""Digits that surely fit into 64 bits; longer ones are compared as text."""


def by_value(frame: Frame, *, descending: bool) -> Frame:
    """An instant vector's series by value, NaN last in either direction."""
    values = frame.values[:, 0]
    key = -values if descending else values
    return taken(frame, np.lexsort((key, np.isnan(values))))


def by_label(frame: Frame, labels: tuple[str, ...], *, descending: bool) -> Frame:
    """An instant vector's series by some labels in turn, then by all; digits count as numbers."""

    def compare(left: int, right: int) -> int:
        return _compare(frame.series.labels[left], frame.series.labels[right], labels)

    order = sorted(range(frame.rows), key=cmp_to_key(compare), reverse=descending)
    return taken(frame, np.array(order, np.intp))


def _compare(left: Labels, right: Labels, labels: tuple[str, ...]) -> int:
    for label in labels:
        one, other = value_of(left, label), value_of(right, label)
        if one != other:
            return -1 if _natural_less(one, other) else 1
    return (left > right) - (left < right)


def _natural_less(left: str, right: str) -> bool:
    """Whether a text comes before another if digits in them are numbers: `a2` before `a10`."""
    ours, theirs = _CHUNK.findall(left), _CHUNK.findall(right)
    for one, other in zip(ours, theirs, strict=False):
        one_number, other_number = _number(one), _number(other)
        if one_number is not None and other_number is not None:
            if one_number != other_number:
                return one_number < other_number
        elif one != other:
            return bool(one < other)
    return len(ours) <= len(theirs)


def _number(chunk: str) -> int | None:
    return int(chunk) if chunk.isascii() and chunk.isdigit() and len(chunk) <= _LONGEST_NUMBER else None
