"""A batch as it came from outside, turned into arrays; what is not a batch is refused as a whole."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from watchfleet.errors import WatchfleetError
from watchfleet.metrics.sketch import Floats, Ints
from watchfleet.model import Sample
from watchfleet.wire import READABLE

MOST_SAMPLES: Final = 1_000_000
FAR: Final = 1 << 62
"""Microseconds that no time is away from 1970."""


class BatchError(WatchfleetError):
    """The batch is not of the form that `watchfleet.wire` describes.

    Args:
        reason: A snake_case name for the counter and the record.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the batch cannot be read: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Decoded:
    """A batch's columns.

    Attributes:
        series: `[name, labels, kind]` each, unchecked.
        index: For each sample the position of its series.
        ts: Its time in Unix microseconds.
        value: Its value.
        events: `[signal, ts, platform, account, group, fields]` each, unchecked.
        activity: `[kind, at, correlation id, name, fields]` each, unchecked.
    """

    series: list[Any]
    index: Ints
    ts: Ints
    value: Floats
    events: list[Any]
    activity: list[Any]


def decode(batch: Any) -> Decoded:
    """Unpack a batch.

    Raises:
        BatchError: It has another form: `not_a_batch`, `unknown_version`, `not_base64`, `column_length`,
            `index_out_of_range` or `too_large`.
    """
    if not isinstance(batch, dict):
        raise BatchError("not_a_batch")
    if batch.get("v") not in READABLE:
        raise BatchError("unknown_version")
    series = batch.get("series")
    events, activity = batch.get("events") or [], batch.get("activity") or []
    if not isinstance(series, list) or not isinstance(events, list) or not isinstance(activity, list):
        raise BatchError("not_a_batch")
    value = np.frombuffer(_raw(batch, "value", 8), "<f8")
    index = _integers(_raw(batch, "index", 2), len(value), ("<u2", "<u4"))
    ts = _integers(_raw(batch, "ts", 4), len(value), ("<u4", "<i8")) + _since(batch)
    if max(len(index), len(series), len(events), len(activity)) > MOST_SAMPLES:
        raise BatchError("too_large")
    if index.max(initial=-1) >= len(series):
        raise BatchError("index_out_of_range")
    return Decoded(series, index, ts, value, events, activity)


def of_samples(samples: Sequence[Sample]) -> Decoded:
    """What samples of our own are; each with an entry for its series, as hardly two are of the same one."""
    names, labels, kinds, ts, values = zip(*samples, strict=True) if samples else ((),) * 5
    return Decoded(
        series=[[name, dict(own), kind.value] for name, own, kind in zip(names, labels, kinds, strict=True)],
        index=np.arange(len(samples)),
        ts=np.round(np.array(ts, np.float64) * 1e6).astype(np.int64),
        value=np.array(values, np.float64),
        events=[],
        activity=[],
    )


def _raw(batch: dict[str, Any], name: str, width: int) -> bytes:
    """A column's bytes, a multiple of the width of a narrow value."""
    text = batch.get(name)
    if not isinstance(text, str):
        raise BatchError("not_a_batch")
    try:
        raw = b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise BatchError("not_base64") from error
    if len(raw) % width:
        raise BatchError("column_length")
    return raw


def _integers(raw: bytes, rows: int, kinds: Sequence[str]) -> Ints:
    """A column of that many rows, whichever of two widths it has."""
    for kind in map(np.dtype, kinds):
        if len(raw) == rows * kind.itemsize:
            return np.frombuffer(raw, kind).astype(np.int64)
    raise BatchError("column_length")


def _since(batch: dict[str, Any]) -> int:
    since = batch.get("since", 0)
    if not isinstance(since, int) or not abs(since) < FAR:
        raise BatchError("not_a_batch")
    return since
