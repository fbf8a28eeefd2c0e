"""A batch as it came from outside, turned into arrays; what is not a batch is refused as a whole."""

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from watchfleet.errors import WatchfleetError
from watchfleet.metrics.sketch import Floats, Ints
from watchfleet.wire import VERSION

MOST_SAMPLES: Final = 1_000_000


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
    if batch.get("v") != VERSION:
        raise BatchError("unknown_version")
    series = batch.get("series")
    events, activity = batch.get("events") or [], batch.get("activity") or []
    if not isinstance(series, list) or not isinstance(events, list) or not isinstance(activity, list):
        raise BatchError("not_a_batch")
    index = _column(batch.get("index"), "<u4").astype(np.int64)
    ts, value = _column(batch.get("ts"), "<i8"), _column(batch.get("value"), "<f8")
    if not len(index) == len(ts) == len(value):
        raise BatchError("column_length")
    if max(len(index), len(series), len(events), len(activity)) > MOST_SAMPLES:
        raise BatchError("too_large")
    if index.max(initial=-1) >= len(series):
        raise BatchError("index_out_of_range")
    return Decoded(series, index, ts, value, events, activity)


def _column(text: Any, kind: str) -> NDArray[Any]:
    if not isinstance(text, str):
        raise BatchError("not_a_batch")
    try:
        raw = b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise BatchError("not_base64") from error
    if len(raw) % np.dtype(kind).itemsize:
        raise BatchError("column_length")
    return np.frombuffer(raw, kind)
