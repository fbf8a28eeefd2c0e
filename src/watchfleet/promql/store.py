"""The series of the store as a source of queries: one read of the samples, whatever a query selects.

Statistics of long windows come from the rollup tiers (`rolled`), the newest samples from memory (`recent`),
others from the table of samples, and what is older than these from the tiers again (`history`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic

import numpy as np
from psycopg2.errors import QueryCanceled
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from watchfleet.promql.catalogue import Matched, matching, version
from watchfleet.promql.errors import QueryLimitError, QueryTimeoutError
from watchfleet.promql.history import Beginnings, older
from watchfleet.promql.limits import DEFAULT_LIMITS, Limits
from watchfleet.promql.readings import LAST_MS, NO_READINGS, Readings, Span, read
from watchfleet.promql.recent import recent
from watchfleet.promql.rolled import summarised
from watchfleet.promql.series import Ints
from watchfleet.promql.source import Columns, Fetch


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
            known = version(self._connection)
            matched = {
                matchers: matching(self._connection, matchers, self._limits.series, known)
                for matchers in dict.fromkeys(fetch.matchers for fetch in fetches)
            }
            wanted = [(fetch, matched[fetch.matchers]) for fetch in fetches]
            beginnings = Beginnings(self._connection)
            rolled = self._rolled(wanted, beginnings)
            spans = _spans([one for one in wanted if one[0] not in rolled])
            kept = recent(self._connection.engine).take(self._connection, spans)
            others = {span: ids for span, ids in spans.items() if span not in kept}
            rest = self._read(others, beginnings)
        return [
            rolled.get(fetch) or kept.get(_span(fetch), rest).columns(found, fetch) for fetch, found in wanted
        ]

    def _rolled(
        self, wanted: Sequence[tuple[Fetch, Matched]], beginnings: Beginnings
    ) -> dict[Fetch, Columns]:
        """What comes from the rollup tiers."""
        found = (
            (fetch, summarised(self._connection, beginnings, fetch, series, self._limits.samples))
            for fetch, series in dict(wanted).items()
        )
        return {fetch: columns for fetch, columns in found if columns is not None}

    def _read(self, spans: dict[Span, Ints], beginnings: Beginnings) -> Readings:
        """The samples, and what stands for those that are gone."""
        most = self._limits.samples
        readings = read(self._connection, _without_nested(spans), most)
        gone = older(self._connection, beginnings, spans, most) if spans else NO_READINGS
        if readings is None or gone is None:
            raise QueryLimitError(f"the query needs more samples than the {most} that it may use")
        return readings.with_later(gone) if len(gone) else readings

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


def _span(fetch: Fetch) -> Span:
    return max(fetch.start, 0), min(fetch.end, LAST_MS)


def _spans(wanted: Sequence[tuple[Fetch, Matched]]) -> dict[Span, Ints]:
    """The series that are wanted in each span of time."""
    parts: dict[Span, list[Ints]] = {}
    for fetch, matched in wanted:
        span = _span(fetch)
        if span[0] <= span[1] and len(matched.ids):
            parts.setdefault(span, []).append(matched.ids)
    return {span: np.unique(np.concatenate(ids)) for span, ids in parts.items()}


def _without_nested(spans: Mapping[Span, Ints]) -> dict[Span, Ints]:
    """The series to read in each span of time, without those that a longer span around it brings."""
    reads: dict[Span, Ints] = {}
    for start, end in sorted(spans, key=lambda span: span[0] - span[1]):
        ids = spans[start, end]
        for (earlier, later), others in reads.items():
            if earlier <= start and end <= later:
                ids = np.setdiff1d(ids, others, assume_unique=True)
        if len(ids):
            reads[start, end] = ids
    return reads
