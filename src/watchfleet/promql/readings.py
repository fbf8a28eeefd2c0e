"""Samples that were read from the store, in the order in which queries cut them up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from watchfleet.db.copy import Layout, copy_out
from watchfleet.promql.catalogue import Matched
from watchfleet.promql.series import Bools, Floats, Ints
from watchfleet.promql.source import EMPTY, Columns, Fetch

LAST_MS: Final = 253_402_214_400_000
"""The last day of the year 9999, the last that datetime has."""

Span = tuple[int, int]
"""The first and the last millisecond of a read."""

_SAMPLES: Final = Layout([("series_id", "i4"), ("ts", "ts"), ("value", "f8")])
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_BITS: Final = 42  # 139 years in milliseconds


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Samples ordered by series and time, one a millisecond.

    Attributes:
        keys: For each sample its series' number and its time, in one number that rises.
        values: Their values.
    """

    keys: Ints
    values: Floats

    @classmethod
    def of(cls, series: Ints, ts: Ints, values: Floats) -> "Readings":
        """Bring samples into order; times in microseconds.

        The store counts microseconds and PromQL milliseconds: of samples within one the last one counts.
        """
        order = np.lexsort((values, ts, series))
        keys = (series[order].astype(np.int64) << _TIME_BITS) + ts[order] // 1000
        return cls._distinct(keys, values[order])

    @classmethod
    def _distinct(cls, keys: Ints, values: Floats) -> "Readings":
        last = np.ones(len(keys), np.bool_)
        np.not_equal(keys[1:], keys[:-1], out=last[:-1])
        return cls(keys, values) if last.all() else cls(keys[last], values[last])

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def series(self) -> Ints:
        """Each sample's series."""
        series: Ints = self.keys >> _TIME_BITS
        return series

    @property
    def times(self) -> Ints:
        """The samples' times in milliseconds."""
        times: Ints = self.keys & ((1 << _TIME_BITS) - 1)
        return times

    def only(self, kept: Bools) -> "Readings":
        """Some of the samples."""
        return Readings(self.keys[kept], self.values[kept])

    def with_later(self, others: "Readings") -> "Readings":
        """These samples and others, which win where both have one."""
        keys = np.concatenate((self.keys, others.keys))
        order = np.argsort(keys, kind="stable")  # two runs in order, which it merges in linear time
        return self._distinct(keys[order], np.concatenate((self.values, others.values))[order])

    def columns(self, matched: Matched, fetch: Fetch) -> Columns:
        """What one fetch wants of them."""
        if not len(matched.ids):
            return EMPTY
        first, after = (min(max(at, 0), LAST_MS) for at in (fetch.start, fetch.end + 1))
        starts = np.searchsorted(self.keys, (matched.ids << _TIME_BITS) + first)
        ends = np.searchsorted(self.keys, (matched.ids << _TIME_BITS) + max(first, after))
        offsets = np.zeros(len(starts) + 1, np.int64)
        np.cumsum(ends - starts, out=offsets[1:])
        rows = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], ends - starts)
        return Columns(matched.series, self.keys[rows] & ((1 << _TIME_BITS) - 1), self.values[rows], offsets)


NO_READINGS: Final = Readings(np.empty(0, np.int64), np.empty(0))


def read(connection: Connection, reads: Mapping[Span, Ints], most: int) -> Readings | None:
    """The samples of some series in some spans of time, in one query; None if they are more than `most`."""
    if not reads:
        return NO_READINGS
    query, values = _query(reads)
    rows = copy_out(connection, query, {**values, "most": most + 1}, _SAMPLES)
    if len(rows) > most:
        return None
    columns = rows.columns
    return Readings.of(columns["series_id"], columns["ts"], columns["value"])


def _query(reads: Mapping[Span, Ints]) -> tuple[str, dict[str, Any]]:
    selects, values = [], dict[str, Any]()
    for place, ((start, end), ids) in enumerate(reads.items()):
        selects.append(
            f"SELECT series_id, ts, value FROM samples WHERE ts >= %(start{place})s"  # noqa: S608 - only numbers of our own
            f" AND ts < %(end{place})s AND series_id = ANY(%(ids{place})s::int[])"
        )
        values[f"start{place}"] = instant(start)
        values[f"end{place}"] = instant(end + 1)
        values[f"ids{place}"] = ids.tolist()
    return f"SELECT * FROM ({' UNION ALL '.join(selects)}) AS wanted LIMIT %(most)s", values  # noqa: S608 - likewise


def instant(milliseconds: int) -> datetime:
    """A datetime."""
    return _EPOCH + timedelta(milliseconds=milliseconds)
