"""A part of history in memory, out of which each of many evaluations takes its own samples."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import Connection

from watchfleet.promql import (
    Columns,
    Expression,
    Fetch,
    Limits,
    QueryError,
    SeriesSource,
    plan,
)
from watchfleet.promql.labels import NAME
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.source import EMPTY
from watchfleet.promql.store import StoreSeries
from watchfleet.rules.output import EVALUATION

MOST_INSTANTS = 20_000
"""How many evaluations that were recorded are replayed one by one."""


class Slices:
    """What expressions read from the first to the last of some times, read at once.

    Args:
        source: Where history is.
        expressions: What will be evaluated.
        instants: When; at least one time.
        offset: How far back the queries look.
        limits: What the read may cost.
    """

    def __init__(
        self,
        source: SeriesSource,
        expressions: Sequence[Expression],
        instants: Sequence[datetime],
        offset: timedelta,
        limits: Limits,
    ) -> None:
        self._beyond = source
        start, end = instants[0] - offset, instants[-1] - offset
        spans: dict[tuple[Matcher, ...], tuple[int, int]] = {}
        for expression in expressions:
            for fetch in (*plan(expression, start, start), *plan(expression, end, end)):
                low, high = spans.get(fetch.matchers, (fetch.start, fetch.end))
                spans[fetch.matchers] = min(low, fetch.start), max(high, fetch.end)
        wanted = [Fetch(matchers, *span) for matchers, span in spans.items()]
        self._limits = limits
        self._read = dict(zip(wanted, source.select(wanted), strict=True)) if wanted else {}

    def select(self, fetches: Sequence[Fetch]) -> list[Columns]:
        """The samples for each fetch; see `SeriesSource`."""
        return [self._select(fetch) for fetch in fetches]

    def _select(self, fetch: Fetch) -> Columns:
        for wide, columns in self._read.items():
            if wide.matchers == fetch.matchers and wide.start <= fetch.start and fetch.end <= wide.end:
                return _within(columns, fetch.start, fetch.end)
        return self._beyond.select([fetch])[0]


def recorded_instants(connection: Connection, group: str, since: datetime, now: datetime) -> list[datetime]:
    """When a group was evaluated in a time, as far as that is known; nothing if it was too often.

    Args:
        connection: An open transaction.
        group: The group's key.
        since: From when on.
        now: The present.
    """
    matchers = (Matcher(NAME, "=", EVALUATION), Matcher("rule_group", "=", group))
    fetch = Fetch(matchers, round(since.timestamp() * 1000), round(now.timestamp() * 1000))
    try:
        (columns,) = StoreSeries(connection, Limits(samples=MOST_INSTANTS)).select([fetch])
    except QueryError:
        return []
    return [datetime.fromtimestamp(int(at) / 1000, now.tzinfo) for at in np.unique(columns.timestamps)]


def _within(columns: Columns, start: int, end: int) -> Columns:
    """The samples from `start` to `end`; every series stays, so that the set of series stays the same."""
    if not len(columns.series):
        return EMPTY
    bounds = list(zip(columns.offsets[:-1].tolist(), columns.offsets[1:].tolist(), strict=True))
    parts = [
        slice(*(low + np.searchsorted(columns.timestamps[low:high], (start, end + 1))).tolist())
        for low, high in bounds
    ]
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([part.stop - part.start for part in parts], out=offsets[1:])
    return Columns(
        columns.series,
        np.concatenate([columns.timestamps[part] for part in parts]),
        np.concatenate([columns.values[part] for part in parts]),
        offsets,
    )
