"""How the series of two vectors find each other: signatures, groups, and the labels of the results."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from watchfleet.promql.labels import NAME, Labels, drop, keep, value_of, without_metadata
from watchfleet.promql.nodes import Matching
from watchfleet.promql.series import Groups, Indices, SeriesSet, grouped

NOBODY: Final = -1
"""The place of a series that is not there and is filled in."""


@dataclass(frozen=True, slots=True, eq=False)
class Signatures:
    """The signatures of two vectors' series as numbers, the same number for the same signature.

    Attributes:
        left: The number of each series of the first vector.
        right: The number of each series of the second.
        size: How many different ones there are.
    """

    left: Indices
    right: Indices
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Join:
    """The pairs of series with the same signature.

    One side, "many", may have several series for one of the side "one".

    Attributes:
        many: For each pair, the series of the "many" side.
        one: For each pair, the series of the "one" side.
        signature: For each pair, the number of the signature that they share.
        series: For each pair, the labels of its result.
        twins: The pairs by signature and result, if any two have both in common.
        signatures: The signatures of the "many" side (left) and the "one" side (right).
    """

    many: Indices
    one: Indices
    signature: Indices
    series: SeriesSet
    twins: Groups | None
    signatures: Signatures


def signatures(left: SeriesSet, right: SeriesSet, matching: Matching) -> Signatures:
    """The signatures of two vectors' series."""

    def make() -> Signatures:
        numbers: dict[Labels, int] = {}
        left_numbers, right_numbers = (
            np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.intp, len(keys))
            for keys in (side.signatures(on=matching.on, names=matching.labels) for side in (left, right))
        )
        return Signatures(left_numbers, right_numbers, len(numbers))

    return left.memo(("signatures", right, matching.on, matching.labels), make)


def join(many: SeriesSet, one: SeriesSet, matching: Matching, *, keeps_name: bool) -> Join:
    """The pairs of two sides; kept with the first one, so that the next evaluation finds them ready."""
    fills = matching.fill_left is not None, matching.fill_right is not None
    key = ("join", one, matching.on, matching.labels, matching.group, matching.include, keeps_name, fills)
    return many.memo(key, lambda: _join(many, one, matching, keeps_name=keeps_name))


def _join(many: SeriesSet, one: SeriesSet, matching: Matching, *, keeps_name: bool) -> Join:
    numbers = signatures(many, one, matching)
    pairs = _pairs(numbers.left, numbers.right)
    if matching.fill_right is not None:
        pairs += [(place, NOBODY) for place in range(len(many))]
    if matching.fill_left is not None:
        pairs += [(NOBODY, place) for place in range(len(one))]
    known = [numbers.left[left] if left != NOBODY else numbers.right[right] for left, right in pairs]
    describe = _describe(many, one, matching, keeps_name=keeps_name)
    series = SeriesSet(describe(*pair) for pair in pairs)
    return Join(
        np.array([pair[0] for pair in pairs], np.intp),
        np.array([pair[1] for pair in pairs], np.intp),
        np.array(known, np.intp),
        series,
        _twins(series, known) if matching.group else None,
        numbers,
    )


def _twins(series: SeriesSet, numbers: list[int]) -> Groups | None:
    keys = [(*labels, ("", str(number))) for labels, number in zip(series.labels, numbers, strict=True)]
    groups = grouped(keys)
    return groups if len(groups.series) < len(keys) else None


def _pairs(many: Indices, one: Indices) -> list[tuple[int, int]]:
    places: dict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(one.tolist()):
        places[number].append(place)
    return [
        (place, partner) for place, number in enumerate(many.tolist()) for partner in places.get(number, ())
    ]


def _describe(
    many: SeriesSet, one: SeriesSet, matching: Matching, *, keeps_name: bool
) -> Callable[[int, int], Labels]:
    """What gives the labels of a pair's result."""

    def matched(labels: Labels) -> Labels:
        if matching.on:
            return keep(labels, matching.labels)
        return drop(labels, (*matching.labels, NAME))

    def describe(left: int, right: int) -> Labels:
        right_labels = one.labels[right] if right != NOBODY else matched(many.labels[left])
        labels = many.labels[left] if left != NOBODY else matched(one.labels[right])
        if not keeps_name:
            labels = without_metadata(labels)
        if not matching.group:
            return keep(labels, matching.labels) if matching.on else drop(labels, matching.labels)
        return _including(labels, right_labels, matching.include)

    return describe


def _including(labels: Labels, others: Labels, names: tuple[str, ...]) -> Labels:
    """The labels with those of these names taken from other ones."""
    if not names:
        return labels
    taken = {name: value_of(others, name) for name in names}
    rest = tuple(pair for pair in labels if pair[0] not in taken)
    return tuple(sorted((*rest, *((name, value) for name, value in taken.items() if value))))
