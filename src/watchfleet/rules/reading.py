"""One read of the store for all that the rules of some groups select."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from psycopg2 import Error as DriverError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from watchfleet.promql import Columns, Expression, Fetch, Limits, Prefetched, QueryError, SeriesSource, plan
from watchfleet.promql.store import StoreSeries

LIMITS = Limits(samples=20_000_000, series=200_000, seconds=60.0)
"""What one read for whole groups may cost."""
ALONE = Limits(samples=5_000_000, series=100_000, seconds=10.0)
"""What a rule may cost that reads by itself."""


class Wanted(NamedTuple):
    """What a group reads.

    Attributes:
        expressions: What its rules evaluate.
        at: The time that they query, in Unix seconds.
    """

    expressions: Sequence[Expression]
    at: float


def read(connection: Connection, wanted: Mapping[str, Wanted]) -> dict[str, SeriesSource]:
    """For each group a source that has what its expressions select, read at once.

    When that fails, each group reads for itself; and when that fails, each of its rules, so that one whose
    selectors cost too much fails alone.
    """
    together = _read_once(connection, list(wanted.values()))
    if together is not None:
        return dict.fromkeys(wanted, together)
    if len(wanted) == 1:
        return dict.fromkeys(wanted, Separate(connection))
    return {key: read(connection, {key: one})[key] for key, one in wanted.items()}


def _read_once(connection: Connection, wanted: Sequence[Wanted]) -> SeriesSource | None:
    planned = (fetch for one in wanted for each in one.expressions for fetch in _planned(each, one.at))
    fetches = tuple(dict.fromkeys(planned))
    try:
        columns = StoreSeries(connection, LIMITS).select(fetches) if fetches else []
    except (QueryError, DBAPIError, DriverError):
        if connection.invalidated:
            raise
        return None
    return Prefetched(dict(zip(fetches, columns, strict=True)), Separate(connection))


class Separate:
    """The store, each read by itself, with time and limits of its own.

    Args:
        connection: An open transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def select(self, fetches: Sequence[Fetch]) -> list[Columns]:
        """The samples for each fetch; see `SeriesSource`."""
        return StoreSeries(self._connection, ALONE).select(fetches)


def _planned(expression: Expression, at: float) -> tuple[Fetch, ...]:
    try:
        return plan(expression, at, at)
    except QueryError:  # the rule says so when it is evaluated
        return ()
