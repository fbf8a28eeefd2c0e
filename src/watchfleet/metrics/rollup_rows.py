"""Rollup rows between the tables and the arrays that `aggregate` computes with."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, text

from watchfleet.db.copy import NULL, Layout, copy_in, copy_out
from watchfleet.metrics import sketch
from watchfleet.metrics.aggregate import QUANTILES, Buckets
from watchfleet.metrics.marks import instant
from watchfleet.metrics.sketch import Ints
from watchfleet.metrics.tiers import Tier

_MERGEABLE: Final = [
    ("series_id", "i4"),
    ("bucket", "ts"),
    ("n", "i8"),
    ("sum", "f8"),
    ("m2", "f8"),
    ("min", "f8"),
    ("max", "f8"),
    ("first_ts", "ts"),
    ("first_value", "f8"),
    ("last_ts", "ts"),
    ("last_value", "f8"),
]
_READ: Final = Layout([*_MERGEABLE, ("increase", "f8")], tails=1)
_WRITE: Final = Layout([*_MERGEABLE, *((name, "f8") for name in QUANTILES)], tails=2)
_WRITTEN: Final = (*(name for name, _ in _WRITE.columns), "increase", "histogram")
_INCREASE: Final = np.dtype([("length", ">i4"), ("value", ">f8")])
_SAMPLES: Final = Layout([("series_id", "i4"), ("ts", "ts"), ("value", "f8")])


@dataclass(frozen=True, slots=True)
class Extent:
    """Which rows of a tier.

    Attributes:
        start: The first bucket's start, in Unix microseconds.
        end: The last bucket's end.
        series: The series, if not all.
    """

    start: int
    end: int
    series: Collection[int] | None = None

    def where(self, column: str) -> tuple[str, dict[str, Any]]:
        """The SQL condition for rows that lie within the range, with psycopg2's parameters."""
        condition = f"{column} >= %(start)s AND {column} < %(end)s"
        values: dict[str, Any] = {"start": instant(self.start), "end": instant(self.end)}
        if self.series is not None:
            condition, values["series"] = condition + " AND series_id = ANY(%(series)s)", list(self.series)
        return condition, values


def read_samples(connection: Connection, extent: Extent) -> dict[str, Any]:
    """The samples of a range: `series_id`, `ts`, `value`."""
    condition, values = extent.where("ts")
    query = f"SELECT series_id, ts, value FROM samples WHERE {condition}"  # noqa: S608 - the condition is ours
    columns = copy_out(connection, query, values, _SAMPLES).columns
    columns["series_id"] = columns["series_id"].astype(np.int64)
    return columns


def no_samples() -> dict[str, Any]:
    """What `read_samples` gives where there are none."""
    return _SAMPLES.unpack(np.empty(0, _SAMPLES.dtype))


def read(connection: Connection, table: str, extent: Extent) -> Buckets:
    """The rows of a range, in the order that merging needs."""
    condition, values = extent.where("bucket")
    columns = ", ".join(name for name, _ in _MERGEABLE)
    query = (
        f"SELECT {columns}, coalesce(increase, 'NaN'), histogram"  # noqa: S608 - names and condition are ours
        f" FROM {table} WHERE {condition}"
    )
    rows = copy_out(connection, query, values, _READ)
    order = np.lexsort((rows.columns["bucket"], rows.columns["series_id"]))
    histograms = [rows.tails[at] for at in order.tolist()]
    ordered = {name: column[order] for name, column in rows.columns.items()}
    ordered["series_id"] = ordered["series_id"].astype(np.int64)
    return Buckets(ordered, sketch.decode(histograms))


def replace(connection: Connection, tier: Tier, extent: Extent, rows: Buckets) -> None:
    """Put the rows of a range in the place of those that are there."""
    condition, values = extent.where("bucket")
    table = tier.table.table
    connection.exec_driver_sql(f"DELETE FROM {table} WHERE {condition}", values)  # noqa: S608 - as above
    if len(rows):
        copy_in(connection, table, _WRITTEN, _WRITE.pack(rows.columns), _tails(rows))


def counters(connection: Connection, series: Ints) -> Ints:
    """Those of some series that are counters, in ascending order."""
    found = connection.scalars(
        text("SELECT id FROM series WHERE id = ANY(:ids) AND kind = 'counter' ORDER BY id"),
        {"ids": np.unique(series).tolist()},
    )
    return np.array(found.all(), np.int64)


def _tails(rows: Buckets) -> list[bytes]:
    """Increase and histogram of each row as they stand on the wire, each behind its length."""
    increase = np.empty(len(rows), _INCREASE)
    increase["length"], increase["value"] = 8, rows.columns["increase"]
    unknown, increases = np.isnan(rows.columns["increase"]).tolist(), increase.tobytes()
    histograms = sketch.encode(rows.cells, len(rows))
    lengths = np.fromiter(map(len, histograms), ">i4", len(rows)).tobytes()
    return [
        (NULL if unknown[at] else increases[12 * at : 12 * at + 12])
        + lengths[4 * at : 4 * at + 4]
        + histogram
        for at, histogram in enumerate(histograms)
    ]
