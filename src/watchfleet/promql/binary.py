"""Binary operators on vectors: with scalars, with each other, and as sets."""

from typing import Final

import numpy as np

from watchfleet.promql.annotations import Annotations
from watchfleet.promql.errors import QueryError
from watchfleet.promql.frame import Frame, empty, merged, stacked
from watchfleet.promql.joins import NOBODY, Join, join, signatures
from watchfleet.promql.labels import drop, format_labels, keep
from watchfleet.promql.limits import Budget
from watchfleet.promql.nodes import TRIMS, Binary, Matching
from watchfleet.promql.operators import ARITHMETIC, COMPARE
from watchfleet.promql.series import Bools, Floats, Indices, SeriesSet

_NOT_UNIQUE: Final = "multiple matches for labels: grouping labels must ensure unique matches"
_NOT_EXPLICIT: Final = (
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
)


def with_scalar(
    node: Binary, frame: Frame, scalar: Floats, *, scalar_first: bool, remarks: Annotations
) -> Frame:
    """An operator between a vector and a scalar; a comparison leaves the vector's value, or 0 and 1."""
    if node.op in TRIMS:
        return _trimmed(node, frame, remarks)
    left, right = (scalar, frame.values) if scalar_first else (frame.values, scalar)
    nameless = np.ones(frame.rows, bool)
    if node.op in ARITHMETIC:
        return Frame(frame.series, ARITHMETIC[node.op](left, right), frame.present, nameless)
    holds = COMPARE[node.op](left, right)
    if node.returns_bool:
        return Frame(frame.series, holds.astype(np.float64), frame.present, nameless)
    return Frame(frame.series, frame.values, frame.present & holds, frame.nameless)


def with_vector(node: Binary, left: Frame, right: Frame, budget: Budget, remarks: Annotations) -> Frame:
    """An operator between two vectors, series by series as they match.

    Raises:
        QueryError: A series has more than one partner, or two results have the same labels.
    """
    matching = node.matching
    swapped = matching.group == "right"
    many, one = (right, left) if swapped else (left, right)
    fills = matching.fill_left is not None or matching.fill_right is not None
    if not fills and not (left.rows and right.rows):
        return empty(left.values.shape[1])
    pairs = join(many.series, one.series, matching, keeps_name=node.op not in ARITHMETIC)
    budget.hold(len(pairs.series), left.values.shape[1])
    many_values, many_there = _side(many, pairs.many, pairs.signatures.left, pairs, matching.fill_left)
    one_values, one_there = _side(one, pairs.one, pairs.signatures.right, pairs, matching.fill_right)
    present = many_there & one_there
    _check_one_side(one, pairs, matching, many.anywhere() | fills)
    _check_many_side(many, one, pairs, matching, present)
    values = (one_values, many_values) if swapped else (many_values, one_values)
    result, holds = _computed(node, *values, remarks)
    nameless = np.full(len(pairs.series), node.returns_bool)
    if many.rows:
        nameless |= many.nameless[pairs.many] & (pairs.many != NOBODY)
    return merged(Frame(pairs.series, result, present & holds, nameless))


def as_sets(node: Binary, left: Frame, right: Frame) -> Frame:
    """`and`, `or`, `unless`: series of one side by whether the other has any of their signature."""
    numbers = signatures(left.series, right.series, node.matching)
    if node.op == "or":
        known = _any(left.present, numbers.left, numbers.size)[numbers.right]
        return _united(left, Frame(right.series, right.values, right.present & ~known, right.nameless))
    known = _any(right.present, numbers.right, numbers.size)[numbers.left]
    kept = left.present & (known if node.op == "and" else ~known)
    return Frame(left.series, left.values, kept, left.nameless)


def _united(left: Frame, right: Frame) -> Frame:
    series = left.series.memo(
        ("or", right.series), lambda: SeriesSet((*left.series.labels, *right.series.labels))
    )
    return merged(stacked((left, right), series))


def _computed(node: Binary, left: Floats, right: Floats, remarks: Annotations) -> tuple[Floats, Bools]:
    if node.op in TRIMS:
        _remark_trim(node, remarks)
        return left, np.zeros(left.shape, bool)
    if node.op in ARITHMETIC:
        return ARITHMETIC[node.op](left, right), np.ones(left.shape, bool)
    holds = COMPARE[node.op](left, right)
    if node.returns_bool:
        return holds.astype(np.float64), np.ones(left.shape, bool)
    return left, holds


def _side(
    frame: Frame, places: Indices, numbers: Indices, pairs: Join, fill: float | None
) -> tuple[Floats, Bools]:
    """One side's values for each pair, and where they are; `fill` where no series has the signature."""
    if fill is None:
        return frame.values[places], frame.present[places]
    there = places != NOBODY
    values = np.full((len(places), frame.values.shape[1]), fill)
    present = ~_any(frame.present, numbers, pairs.signatures.size)[pairs.signature]
    values[there], present[there] = frame.values[places[there]], frame.present[places[there]]
    return values, present


def _check_one_side(one: Frame, pairs: Join, matching: Matching, asked: Bools) -> None:
    """No two series of the "one" side may have the same signature at a time when there is another side."""
    numbers = pairs.signatures.right
    counts = _count(one.present & asked, numbers, pairs.signatures.size)
    if not (counts > 1).any():
        return
    step, number = np.argwhere(counts.T > 1)[0].tolist()
    rows = np.flatnonzero((numbers == number) & one.present[:, step])[:2].tolist()
    first, second = sorted(one.series.labels[row] for row in rows)
    name = () if "__name__" in matching.labels and matching.on else ("__name__",)
    group = keep(first, matching.labels) if matching.on else drop(first, (*matching.labels, *name))
    side = "left" if matching.group == "right" else "right"
    raise QueryError(
        f"found duplicate series for the match group {format_labels(group)} on the {side} hand-side of the "
        f"operation: [{format_labels(first)}, {format_labels(second)}];many-to-many matching not allowed: "
        "matching labels must be unique on one side"
    )


def _check_many_side(many: Frame, one: Frame, pairs: Join, matching: Matching, present: Bools) -> None:
    """Without a group modifier each series has one partner; with it, results must differ."""
    if matching.group:
        twins = pairs.twins
        if twins is not None and (_count(present, twins.index, len(twins.series)) > 1).any():
            raise QueryError(_NOT_UNIQUE)
        return
    numbers = pairs.signatures
    counts = _count(many.present, numbers.left, numbers.size)
    partner = _any(one.present, numbers.right, numbers.size) | (matching.fill_right is not None)
    if ((counts > 1) & partner).any():
        raise QueryError(_NOT_EXPLICIT)


def _trimmed(node: Binary, frame: Frame, remarks: Annotations) -> Frame:
    if frame.present.any():
        _remark_trim(node, remarks)
    return empty(frame.values.shape[1])


def _remark_trim(node: Binary, remarks: Annotations) -> None:
    remarks.info(
        f'incompatible sample types encountered for binary operator "{node.op}": float {node.op} float',
        node.span,
    )


def _any(present: Bools, numbers: Indices, size: int) -> Bools:
    """Where any of the rows with each number is present."""
    return _count(present, numbers, size) > 0


def _count(present: Bools, numbers: Indices, size: int) -> Indices:
    """How many of the rows with each number are present."""
    counts = np.zeros((size, present.shape[1]), np.intp)
    np.add.at(counts, numbers, present)
    return counts
