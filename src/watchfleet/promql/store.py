"""The series of the store as a source of queries: one read of the samples, whatever a query selects.

Samples are read raw, for as long as they are kept (`retention_raw`). The store counts microseconds and PromQL
milliseconds: of samples within one millisecond the last one counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final

import numpy as np
from psycopg2.errors import QueryCanceled
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from watchfleet.db.copy import Layout, copy_out
from watchfleet.promql.catalogue import Matched, matching
from watchfleet.promql.errors import QueryLimitError, QueryTimeoutError
from watchfleet.promql.limits import DEFAULT_LIMITS, Limits
from watchfleet.promql.series import Floats, Ints
from watchfleet.promql.source import EMPTY, Columns, Fetch

_SAMPLES: Final = Layout([("series_id", "i4"), ("ts", "ts"), ("value", "f8")])
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 253_402_214_400_000  # the last day of the year 9999, the last that datetime has
_TIME_BITS: Final = 42  # 139 years in milliseconds

_Span = tuple[int, int]


class StoreSeries:
    """The store's series, for one query or for all that a transaction evaluates.

    Limits hold while samples are read: the read stops at the first sample that is too many, and after
    `limits.seconds`. Whatever comes of it, the transaction stays usable.

    Args:
        connection: An open transaction.
        limits: What a query may cost; give those that the evaluation is given.
    """

    def __init__(self, connection: Connection, limits: Limits = DEFAULT_LIMITS) -> None:
        self._connection, self._limits = connection, limits
        self._deadline = monotonic() + limits.seconds

    def select(self, fetches: Sequence[Fetch]) -> list[Columns]:
        """The samples for each fetch; see `SeriesSource`.

        Raises:
            QueryLimitError: It would be too many series or samples, or it took too long.
        """
        with self._bounded():
            matched = {
                matchers: matching(self._connection, matchers, self._limits.series)
                for matchers in dict.fromkeys(fetch.matchers for fetch in fetches)
            }
            wanted = [(fetch, matched[fetch.matchers]) for fetch in fetches]
            samples = self._read(_reads(wanted))
        return [samples.columns(found, fetch) for fetch, found in wanted]

    def _read(self, reads: Mapping[_Span, Ints]) -> "_Samples":
        if not reads:
            return _Samples.of(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        most = self._limits.samples
        query, values = _query(reads)
        rows = copy_out(self._connection, query, {**values, "most": most + 1}, _SAMPLES)
        if len(rows) > most:
            raise QueryLimitError(f"the query needs more samples than the {most} that it may use")
        columns = rows.columns
        return _Samples.of(columns["series_id"], columns["ts"], columns["value"])

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        """Let the server give up in time; undoing a savepoint brings back the old limit and lifts errors."""
        savepoint = self._connection.begin_nested()
        try:
            left = max(1, round((self._deadline - monotonic()) * 1000))
            self._connection.execute(
                text("SELECT set_config('statement_timeout', :left, true)"), {"left": str(left)}
            )
            yield
        except (QueryCanceled, OperationalError) as error:
            if isinstance(getattr(error, "orig", error), QueryCanceled):
                raise QueryTimeoutError(f"the query took longer than {self._limits.seconds:g} s") from error
            raise
        finally:
            if savepoint.is_active:
                savepoint.rollback()


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """Samples ordered by series and time, one a millisecond.

    Attributes:
        ids: The series that have some, rising.
        keys: For each sample the place of its series in `ids`, and its time, in one number that rises.
        base: The time that `keys` count from.
        times: The samples' times in milliseconds.
        values: Their values.
    """

    ids: Ints
    keys: Ints
    base: int
    times: Ints
    values: Floats

    @classmethod
    def of(cls, series: Ints, ts: Ints, values: Floats) -> "_Samples":
        """Bring samples into order; times in microseconds."""
        order = np.lexsort((values, ts, series))
        series, times, values = series[order].astype(np.int64), ts[order] // 1000, values[order]
        last = np.ones(len(series), np.bool_)
        last[:-1] = (series[1:] != series[:-1]) | (times[1:] != times[:-1])
        series, times, values = series[last], times[last], values[last]
        ids, places = np.unique(series, return_inverse=True)
        base = int(times.min(initial=_LAST_MS))
        return cls(ids, places << _TIME_BITS | (times - base), base, times, values)

    def columns(self, matched: Matched, fetch: Fetch) -> Columns:
        """What one fetch wants of them."""
        if not len(matched.ids):
            return EMPTY
        starts, ends = self._bounds(matched.ids, fetch)
        offsets = np.zeros(len(starts) + 1, np.int64)
        np.cumsum(ends - starts, out=offsets[1:])
        rows = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], ends - starts)
        return Columns(matched.series, self.times[rows], self.values[rows], offsets)

    def _bounds(self, ids: Ints, fetch: Fetch) -> tuple[Ints, Ints]:
        """Where each series' samples begin and end."""
        if not len(self.ids):
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
        places = np.searchsorted(self.ids, ids)
        there = self.ids[np.minimum(places, len(self.ids) - 1)] == ids
        first, last = (self._since_base(at) for at in (fetch.start, fetch.end + 1))
        starts = np.searchsorted(self.keys, (places << _TIME_BITS) + first)
        ends = np.searchsorted(self.keys, (places << _TIME_BITS) + last)
        return starts, np.where(there, np.maximum(starts, ends), starts)

    def _since_base(self, at: int) -> int:
        return min(max(at - self.base, 0), (1 << _TIME_BITS) - 1)


def _reads(wanted: Sequence[tuple[Fetch, Matched]]) -> dict[_Span, Ints]:
    """The series to read in each span of time, without those that a longer span around it brings."""
    parts: dict[_Span, list[Ints]] = {}
    for fetch, matched in wanted:
        span = max(fetch.start, 0), min(fetch.end, _LAST_MS)
        if span[0] <= span[1] and len(matched.ids):
            parts.setdefault(span, []).append(matched.ids)
    reads: dict[_Span, Ints] = {}
    for start, end in sorted(parts, key=lambda span: span[0] - span[1]):
        ids = np.unique(np.concatenate(parts[start, end]))
        for (earlier, later), read in reads.items():
            if earlier <= start and end <= later:
                ids = np.setdiff1d(ids, read, assume_unique=True)
        if len(ids):
            reads[start, end] = ids
    return reads


def _query(reads: Mapping[_Span, Ints]) -> tuple[str, dict[str, Any]]:
    selects, values = [], dict[str, Any]()
    for place, ((start, end), ids) in enumerate(reads.items()):
        selects.append(
            f"SELECT series_id, ts, value FROM samples WHERE ts >= %(start{place})s"  # noqa: S608 - only numbers of our own
            f" AND ts < %(end{place})s AND series_id = ANY(%(ids{place})s::int[])"
        )
        values[f"start{place}"] = _instant(start)
        values[f"end{place}"] = _instant(end + 1)
        values[f"ids{place}"] = ids.tolist()
    return f"SELECT * FROM ({' UNION ALL '.join(selects)}) AS wanted LIMIT %(most)s", values  # noqa: S608 - likewise


def _instant(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
