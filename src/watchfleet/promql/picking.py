"""Aggregations that pick series: topk, bottomk, limitk, limit_ratio."""

import numpy as np

from watchfleet.promql.annotations import Annotations
from watchfleet.promql.errors import QueryError, Span
from watchfleet.promql.format import format_short
from watchfleet.promql.frame import Frame, taken
from watchfleet.promql.labels import Labels
from watchfleet.promql.series import Bools, Floats, Groups, Indices, Ints
from watchfleet.promql.xxhash import xxh64

_MOST, _LEAST = 9223372036854774784.0, -9223372036854775808.0
"""The largest and the smallest float that fit into 64 bits."""


def counted(param: Floats) -> Floats:
    """The k of topk and its kin, cut to whole numbers.

    Raises:
        QueryError: It is not a number, or too large for one of 64 bits.
    """
    if np.isnan(param).any():
        raise QueryError("Parameter value is NaN")
    for out, value, word in (
        (param.min() <= _LEAST, param.min(), "underflows"),
        (param.max() >= _MOST, param.max(), "overflows"),
    ):
        if out:
            raise QueryError(f"Scalar value {format_short(float(value))} {word} int64")
    return np.trunc(param)


def best(frame: Frame, groups: Groups, k: Floats, *, largest: bool) -> Frame:
    """The k largest or smallest values of each group, NaN last; in that order if there is but one time."""
    keep = np.zeros(frame.present.shape, bool)
    order = groups.order
    for step in range(frame.values.shape[1]):
        order = _ranked(frame, groups, step, largest=largest)
        keep[order, step] = _places(groups.index[order]) < k[step]
    picked = Frame(frame.series, frame.values, keep & frame.present, frame.nameless)
    if frame.values.shape[1] != 1:
        return picked
    return taken(picked, order[picked.present[order, 0]])


def first(frame: Frame, groups: Groups, k: Floats) -> Frame:
    """The first k series of each group that have a value."""
    ordered = frame.present[groups.order]
    seen = np.cumsum(ordered, axis=0)
    before = np.vstack((np.zeros((1, seen.shape[1]), seen.dtype), seen))[groups.starts]
    rank: Ints = seen - before[groups.index[groups.order]]
    keep = np.empty(frame.present.shape, bool)
    keep[groups.order] = ordered & (rank <= k)
    return Frame(frame.series, frame.values, keep, frame.nameless)


def share(frame: Frame, ratio: Floats, remarks: Annotations, span: Span) -> Frame:
    """A part of the series, always the same ones, as Prometheus's own hash picks them.

    A negative ratio takes those that its counterpart leaves: -0.9 what 0.1 does not.

    Raises:
        QueryError: The ratio is not a number.
    """
    if np.isnan(ratio).any():
        raise QueryError("Ratio value is NaN")
    for value in np.unique(ratio[np.abs(ratio) > 1]).tolist():
        capped = format_short(1.0 if value > 1 else -1.0)
        remarks.warn(
            f"ratio value should be between -1 and 1, got {format_short(value)}, capping to {capped}", span
        )
    held = np.clip(ratio, -1, 1)
    place = frame.series.memo("places", lambda: _hash_places(frame.series.labels))[:, None]
    keep: Bools = np.where(held >= 0, place < held, place >= 1 + held) & (held != 0)
    return Frame(frame.series, frame.values, frame.present & keep, frame.nameless)


def _ranked(frame: Frame, groups: Groups, step: int, *, largest: bool) -> Indices:
    """The rows group by group, the best first; those without a value last."""
    values = frame.values[:, step]
    return np.lexsort(
        (-values if largest else values, np.isnan(values), ~frame.present[:, step], groups.index)
    )


def _places(index: Indices) -> Indices:
    """How many of the same group come before each; the groups are in order."""
    starts = np.flatnonzero(np.concatenate(([True], index[1:] != index[:-1])))
    lengths = np.diff(np.append(starts, len(index)))
    return np.arange(len(index)) - np.repeat(starts, lengths)


def _hash_places(series: tuple[Labels, ...]) -> Floats:
    return np.array([xxh64(_encoded(labels)) / float(2**64 - 1) for labels in series])


def _encoded(labels: Labels) -> bytes:
    """The label set as Prometheus holds it in memory: each text after its length."""
    return b"".join(_sized(text) for pair in labels for text in pair)


def _sized(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    size = bytes([len(data)]) if len(data) < 255 else b"\xff" + len(data).to_bytes(3, "little")
    return size + data
