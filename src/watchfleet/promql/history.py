"""What the rollup tiers know of samples that are gone: the first and the last of each bucket.

These are samples as they were, in their places. Of a counter that restarted within a bucket two more are made
up between them, the height that it must have reached and the zero that it began from, so that the increase
from the first to the last is what it was.
"""

from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from watchfleet.db import partitions
from watchfleet.db.copy import Layout, copy_out
from watchfleet.metrics.tiers import TIERS, Tier
from watchfleet.promql.readings import LAST_MS, NO_READINGS, Readings, Span, instant
from watchfleet.promql.series import Floats, Ints

_ROWS: Final = Layout([
    ("series_id", "i4"), ("first_ts", "ts"), ("first_value", "f8"), ("last_ts", "ts"), ("last_value", "f8"),
    ("increase", "f8"),
])  # fmt: skip
_ROOM: Final = 3000
"""Microseconds between a bucket's first and last sample that hold two more."""


class Beginnings:
    """From when on each table has rows, asked once.

    Args:
        connection: An open transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, int] = {}

    def of(self, parent: partitions.Partitioned) -> int:
        """From when on a table has rows, in milliseconds."""
        if parent.table not in self._known:
            start = partitions.since(self._connection, parent)
            self._known[parent.table] = LAST_MS if start is None else round(start.timestamp() * 1000)
        return self._known[parent.table]


def older(
    connection: Connection, beginnings: Beginnings, spans: dict[Span, Ints], most: int
) -> Readings | None:
    """What stands for the samples of some series before the first that there are; None if it is too much.

    Args:
        connection: An open transaction.
        beginnings: From when on there is what.
        spans: The series that are wanted in each span of time.
        most: How many rows may be read of each tier.
    """
    found, until = NO_READINGS, beginnings.of(partitions.SAMPLES)
    for tier in TIERS:
        if all(start >= until for start, _ in spans):
            break
        wanted = {(start, min(end, until - 1)): ids for (start, end), ids in spans.items() if start < until}
        for span, ids in wanted.items():
            rows = _rows(connection, tier, span, ids, most)
            if len(rows["series_id"]) > most:
                return None
            found = found.with_later(_samples(rows))
        until = min(until, beginnings.of(tier.table))
    return found


def _rows(connection: Connection, tier: Tier, span: Span, ids: Ints, most: int) -> dict[str, Any]:
    query = (
        "SELECT series_id, first_ts, first_value, last_ts, last_value, coalesce(increase, 'NaN')"  # noqa: S608 - ours
        f" FROM {tier.table.table} WHERE bucket >= %(start)s AND bucket <= %(end)s"
        " AND series_id = ANY(%(ids)s::int[]) LIMIT %(most)s"
    )
    start = max(0, span[0] - tier.width // 1000)
    values = {"start": instant(start), "end": instant(span[1]), "ids": ids.tolist(), "most": most + 1}
    return copy_out(connection, query, values, _ROWS).columns


def _samples(rows: dict[str, Any]) -> Readings:
    series, first, last = rows["series_id"], rows["first_value"], rows["last_value"]
    restarted = _restarted(rows)
    again = series[restarted]
    peak = first[restarted] + rows["increase"][restarted] - last[restarted]
    return Readings.of(
        np.concatenate((series, series, again, again)),
        np.concatenate(
            (
                rows["first_ts"],
                rows["last_ts"],
                rows["first_ts"][restarted] + 1000,
                rows["last_ts"][restarted] - 1000,
            )
        ),
        np.concatenate((first, last, peak, np.zeros(len(again)))),
    )


def _restarted(rows: dict[str, Any]) -> Ints:
    """The counters that fell between the first and the last sample, and have room for what tells so."""
    grown: Floats = rows["last_value"] - rows["first_value"]
    slack = 1e-9 * np.maximum(np.abs(rows["first_value"]), np.abs(rows["last_value"]))
    with np.errstate(invalid="ignore"):
        fell = rows["increase"] > grown + slack
    return np.flatnonzero(fell & (rows["last_ts"] - rows["first_ts"] > _ROOM))
