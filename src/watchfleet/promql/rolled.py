"""Long windows from the rollup tiers, where these tell the same as the samples would.

A window is put together from whole buckets and, where its edges cut through a bucket or a bucket waits to be
rolled up, from the samples. Sums, counts, means, extremes, the first and the last sample come out as from the
samples alone; quantiles within 1.09 %, as the tiers keep histograms.

A window excludes its beginning and includes its end, a bucket the opposite. So a sample at the very instant
between two buckets is taken out of its bucket, which is possible as a bucket knows its first sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, text

from watchfleet.db import partitions
from watchfleet.db.copy import Layout, copy_out
from watchfleet.metrics import rollup_rows, sketch
from watchfleet.metrics.rollup_rows import Extent
from watchfleet.metrics.tiers import TIERS, Tier
from watchfleet.promql.catalogue import Matched
from watchfleet.promql.errors import QueryLimitError
from watchfleet.promql.history import Beginnings
from watchfleet.promql.readings import NO_READINGS, Readings, Span, instant, read
from watchfleet.promql.recent import LONGEST_MS
from watchfleet.promql.series import Bools, Floats, Ints
from watchfleet.promql.source import Columns, Fetch, Summary, is_stale

SHORTEST_MS: Final = 3_600_000
"""Shorter windows are read from the samples."""

MOST_BUCKETS: Final = 20_000

MOST_CUTS: Final = 64
"""So many buckets, or runs of them, may be read from the samples for one selector."""

_ROWS: Final = Layout([
    ("series_id", "i4"), ("bucket", "ts"), ("n", "i8"), ("first_ts", "ts"), ("first_value", "f8"),
    ("last_ts", "ts"), ("value", "f8"),
])  # fmt: skip
_VALUES: Final = {
    "avg": "sum",
    "count": "sum",
    "first": "first_value",
    "last": "last_value",
    "max": "max",
    "min": "min",
    "present": "sum",
    "sum": "sum",
}
_LAYERS: Final = TIERS[2::-1]  # of a day there is never enough in a window to be worth its edges


@dataclass(frozen=True, slots=True)
class _Points:
    """What stands for samples: each has a series, a time in milliseconds, a value, and how many it is."""

    series: Ints
    times: Ints
    values: Floats
    weights: Floats

    def only(self, kept: Bools) -> "_Points":
        return _Points(self.series[kept], self.times[kept], self.values[kept], self.weights[kept])

    def and_(self, *others: "_Points") -> "_Points":
        parts = (self, *others)
        return _Points(
            np.concatenate([part.series for part in parts]),
            np.concatenate([part.times for part in parts]),
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.weights for part in parts]),
        )


def summarised(
    connection: Connection, beginnings: Beginnings, fetch: Fetch, found: Matched, most: int
) -> Columns | None:
    """What a fetch wants, from the coarsest tier that fits; None if the samples do as well, or only they do.

    Where the samples are gone and no tier's buckets end where the windows do, a bucket counts where its last
    sample is.

    Args:
        connection: An open transaction.
        beginnings: From when on there is what.
        fetch: What is wanted.
        found: Its series.
        most: How many rows may be read, and how many samples.

    Raises:
        QueryLimitError: It would be more.
    """
    summary = fetch.summary
    if summary is None or summary.window < SHORTEST_MS or not len(found.ids):
        return None
    since = beginnings.of(partitions.SAMPLES)
    if fetch.start >= since and fetch.end - fetch.start <= LONGEST_MS:
        return None  # these are kept in memory
    reading = _Reading(connection, fetch, summary, found.ids, _edges(fetch, summary), since, most)
    there = [tier for tier in _LAYERS if beginnings.of(tier.table) <= max(0, fetch.start)]
    for tier in there:
        points = _exact(reading, tier)
        if points is not None:
            return _columns(points, fetch, found)
    if there and fetch.start < since:
        buckets = _buckets(fetch, _width(there[-1]))
        cut = buckets[buckets >= since]
        rows = _rows(reading, there[-1], buckets, cut)
        return _columns(_put_together(reading, there[-1], cut, rows), fetch, found)
    return None


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read for one fetch.

    Attributes:
        connection: An open transaction.
        fetch: What is wanted.
        summary: What it is wanted for.
        ids: The series.
        edges: The times at which windows begin and end; samples there belong to what is before.
        since: From when on there are samples, in milliseconds.
        most: How many rows or samples may be read.
    """

    connection: Connection
    fetch: Fetch
    summary: Summary
    ids: Ints
    edges: Ints
    since: int
    most: int


def _edges(fetch: Fetch, summary: Summary) -> Ints:
    first = fetch.start + summary.window - 1
    ends = np.arange(first, fetch.end + 1, summary.step or 1) if summary.step else np.array([first])
    return np.union1d(ends, ends - summary.window)


def _width(tier: Tier) -> int:
    return tier.width // 1000


def _buckets(fetch: Fetch, width: int) -> Ints:
    """The starts of the buckets that hold some of the time that is wanted."""
    return np.arange(max(0, fetch.start) // width * width, fetch.end + 1, width)


def _exact(reading: _Reading, tier: Tier) -> _Points | None:
    """The points of a tier, and of samples where its buckets do not do; None if that is no gain."""
    width = _width(tier)
    buckets = _buckets(reading.fetch, width)
    if width > reading.summary.window or len(buckets) > MOST_BUCKETS:
        return None
    offsets = reading.edges % width
    inside = reading.edges[(offsets > 0) & (offsets < width - 1)]
    cut = np.intersect1d(buckets, np.union1d(inside // width * width, _waiting(reading, tier)))
    if not _is_gain(reading, width, buckets, cut):
        return None
    rows = _rows(reading, tier, buckets, cut)
    unknown = np.unique(rows["bucket"][_is_unknown(reading, rows)])
    cut = np.union1d(cut, unknown)
    if not _is_gain(reading, width, buckets, cut):
        return None
    kept = ~np.isin(rows["bucket"], unknown)
    return _put_together(reading, tier, cut, {name: column[kept] for name, column in rows.items()})


def _is_gain(reading: _Reading, width: int, buckets: Ints, cut: Ints) -> bool:
    is_known = not len(cut) or cut[0] >= reading.since
    return is_known and 2 * len(cut) <= len(buckets) and len(_runs(cut, width)) <= MOST_CUTS


def _runs(cut: Ints, width: int) -> list[Span]:
    """Neighbouring buckets as spans of time."""
    runs = np.split(cut, np.flatnonzero(np.diff(cut) != width) + 1)
    return [(int(run[0]), int(run[-1]) + width - 1) for run in runs if len(run)]


def _waiting(reading: _Reading, tier: Tier) -> Ints:
    """The buckets that changed and are not rolled up yet."""
    starts = reading.connection.scalars(
        text(
            "SELECT DISTINCT slice FROM dirty_slice WHERE tier <= :tier AND slice >= :start AND slice <= :end"
        ),
        {
            "tier": tier.position,
            "start": instant(max(0, reading.fetch.start) - _width(tier)),
            "end": instant(reading.fetch.end),
        },
    )
    marked = np.array([round(start.timestamp() * 1000) for start in starts], np.int64)
    return marked // _width(tier) * _width(tier)


def _rows(reading: _Reading, tier: Tier, buckets: Ints, cut: Ints) -> dict[str, Any]:
    """The tier's rows but for those of buckets that are cut; times in milliseconds."""
    query = (
        "SELECT series_id, bucket, n, first_ts, first_value, last_ts,"  # noqa: S608 - names of ours
        f" {_VALUES.get(reading.summary.function, 'sum')} FROM {tier.table.table}"
        " WHERE bucket >= %(start)s AND bucket <= %(end)s AND series_id = ANY(%(ids)s::int[])"
        " AND bucket <> ALL(%(cut)s::timestamptz[]) LIMIT %(most)s"
    )
    values = {
        "start": instant(int(buckets[0])),
        "end": instant(int(buckets[-1])),
        "ids": reading.ids.tolist(),
        "cut": [instant(start) for start in cut.tolist()],
        "most": reading.most + 1,
    }
    rows = copy_out(reading.connection, query, values, _ROWS)
    if len(rows) > reading.most:
        raise QueryLimitError(f"the query needs more rollups than the {reading.most} that it may use")
    return {
        name: column // 1000 if name in {"bucket", "first_ts", "last_ts"} else column
        for name, column in rows.columns.items()
    }


def _is_at_edge(reading: _Reading, rows: Mapping[str, Any]) -> Bools:
    """The rows whose first sample belongs to the window before."""
    at_edge: Bools = (rows["first_ts"] == rows["bucket"]) & np.isin(rows["bucket"], reading.edges)
    return at_edge


def _is_unknown(reading: _Reading, rows: Mapping[str, Any]) -> Bools:
    """The rows of which one cannot tell what they are without their first sample."""
    at_edge = _is_at_edge(reading, rows)
    match reading.summary.function:
        case "first" | "quantile":
            return at_edge
        case "min" | "max":
            at_edge &= (rows["first_value"] == rows["value"]) & (rows["n"] > 1)
            return at_edge
    return np.zeros(len(at_edge), bool)


def _put_together(reading: _Reading, tier: Tier, cut: Ints, rows: Mapping[str, Any]) -> _Points:
    """The points of rows, and those of the samples in the buckets that are cut."""
    samples = read(reading.connection, dict.fromkeys(_runs(cut, _width(tier)), reading.ids), reading.most)
    if samples is None:
        raise QueryLimitError(f"the query needs more samples than the {reading.most} that it may use")
    if reading.summary.function == "quantile":
        return _of_samples(samples).and_(_of_histograms(reading, tier, np.unique(rows["bucket"])))
    return _of_samples(samples).and_(*_of_rows(reading, rows))


def _of_samples(samples: Readings) -> _Points:
    kept = samples.only(~is_stale(samples.values))
    return _Points(kept.series, kept.times, kept.values, np.ones(len(kept)))


def _of_rows(reading: _Reading, rows: Mapping[str, Any]) -> tuple[_Points, _Points]:
    """A point for each bucket, and one for each first sample that is no part of it."""
    apart = _is_at_edge(reading, rows)
    series, many = rows["series_id"].astype(np.int64), rows["n"].astype(np.float64)
    value, first = rows["value"], rows["first_value"]
    if _VALUES[reading.summary.function] == "sum":
        value = np.where(apart, value - first, value)
    at = rows["first_ts"] if reading.summary.function == "first" else rows["last_ts"]
    whole = _Points(series, at, value, many - apart).only(many > apart)
    return whole, _Points(series, rows["bucket"], first, np.ones(len(first))).only(apart)


def _of_histograms(reading: _Reading, tier: Tier, buckets: Ints) -> _Points:
    """A point for each cell of each bucket's histogram."""
    if not len(buckets):
        return _of_samples(NO_READINGS)
    end = int(buckets[-1]) + _width(tier)
    extent = Extent(int(buckets[0]) * 1000, end * 1000, reading.ids.tolist())
    found = rollup_rows.read(reading.connection, tier.table.table, extent)
    columns, cells = found.columns, found.cells
    kept = np.isin(columns["bucket"] // 1000, buckets)[cells.owner]
    owner = cells.owner[kept]
    values = np.clip(sketch.representatives(cells.code[kept]), columns["min"][owner], columns["max"][owner])
    times = columns["last_ts"][owner] // 1000
    return _Points(columns["series_id"][owner], times, values, cells.count[kept].astype(np.float64))


def _columns(points: _Points, fetch: Fetch, found: Matched) -> Columns:
    points = points.only((points.times >= fetch.start) & (points.times <= fetch.end))
    order = np.lexsort((points.times, points.series))
    series = points.series[order]
    starts = np.searchsorted(series, found.ids)
    ends = np.searchsorted(series, found.ids, side="right")
    offsets = np.append(starts, ends[-1:])
    return Columns(found.series, points.times[order], points.values[order], offsets, points.weights[order])
