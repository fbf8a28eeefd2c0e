"""How samples travel: one batch is one JSON-safe mapping with packed columns.

Packed little-endian columns in base64 cost a tenth of a JSON list to encode and to decode, and need
nothing beyond the standard library in the application that sends them.
"""

import sys
from array import array
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any, Final, NotRequired, TypedDict

from watchfleet.model import Activity, Event, Kind, Sample

VERSION: Final = 2
READABLE: Final = (1, 2)
"""Versions that the fleet reads: the first had the wide form of each column alone, and no `since`."""
_METRIC_BITS: Final = 32
_SHORT, _LONG = 1 << 16, 1 << 32


class Batch(TypedDict):
    """The packed form.

    Attributes:
        v: The version of this form.
        series: One `[name, labels, kind]` for each distinct series of the batch.
        index: Base64 of uint16, or uint32 where there are more series: each sample's position in `series`.
        since: The earliest time, in Unix microseconds; absent for 0.
        ts: Base64 of uint32, or int64 where it takes more: microseconds since then.
        value: Base64 of float64.
        events: One `[signal, ts, platform, account, group, fields]` for each event about an account;
            absent where there is none.
        activity: One `[kind, at, correlation id, name, fields]` for each thing that was done under a
            correlation id, and each alert that was raised; absent where there is none.
    """

    v: int
    series: list[list[Any]]
    index: str
    since: NotRequired[int]
    ts: str
    value: str
    events: NotRequired[list[list[Any]]]
    activity: NotRequired[list[list[Any]]]


def pack(samples: Iterable[Sample], events: Iterable[Event] = (), activity: Iterable[Activity] = ()) -> Batch:
    """Pack samples, events and activity, each in their order."""
    columns = list(zip(*samples, strict=True)) or [()] * 5
    series, index = _series(columns[0], columns[1], columns[2])
    since, stamps = _times(columns[3])
    batch = Batch(
        v=VERSION,
        series=series,
        index=_encode(index),
        since=since,
        ts=_encode(stamps),
        value=_encode(array("d", columns[4])),
    )
    rows = [list(event) for event in events]
    if rows:
        batch["events"] = rows
    done = [list(each) for each in activity]
    if done:
        batch["activity"] = done
    return batch


def _series(
    names: Sequence[str], labels: Sequence[dict[str, str]], kinds: Sequence[Kind]
) -> tuple[list[list[Any]], "array[int]"]:
    """The distinct series, and for each sample the position of its own.

    Whoever records much records under the same mappings of labels again and again: these are told from others
    by what they are before they are by what they hold.
    """
    metrics: dict[tuple[str, Kind], int] = {}
    numbers = [metrics.setdefault(metric, len(metrics)) for metric in zip(names, kinds, strict=True)]
    # Numbers as keys: thousands of tuples would have the garbage collector look at all that the host has.
    keys = [id(own) << _METRIC_BITS | number for own, number in zip(labels, numbers, strict=True)]
    of_number = list(metrics)
    series: list[list[Any]] = []
    positions: dict[tuple[Any, ...], int] = {}
    places: dict[int, int] = {}
    for key, own in dict(zip(keys, labels, strict=True)).items():
        name, kind = of_number[key & (1 << _METRIC_BITS) - 1]
        place = positions.setdefault((name, kind, *sorted(own.items())), len(series))
        if place == len(series):
            series.append([name, own, str(kind)])
        places[key] = place
    return series, array("H" if len(series) <= _SHORT else "I", map(places.__getitem__, keys))


def _times(times: Sequence[float]) -> tuple[int, "array[int]"]:
    """The earliest of some Unix times in microseconds, and how many microseconds after it each is."""
    stamps = [round(ts * 1e6) for ts in times]
    since = min(stamps, default=0)
    wide = max(stamps, default=0) - since >= _LONG
    return since, array("q" if wide else "I", [stamp - since for stamp in stamps])


def _encode(column: "array[Any]") -> str:
    if sys.byteorder == "big":
        column = array(column.typecode, column)
        column.byteswap()
    return b64encode(column).decode("ascii")
