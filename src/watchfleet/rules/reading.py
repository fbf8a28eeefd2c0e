"""One read of the store for all that a group's rules select."""

from collections.abc import Sequence

from psycopg2 import Error as DriverError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from watchfleet.promql import Columns, Expression, Fetch, Limits, Prefetched, QueryError, SeriesSource, plan
from watchfleet.promql.store import StoreSeries

LIMITS = Limits(samples=20_000_000, series=200_000, seconds=60.0)
"""What one read for a whole group may cost."""
ALONE = Limits(samples=5_000_000, series=100_000, seconds=10.0)
"""What a rule may cost that reads by itself."""


def read(connection: Connection, expressions: Sequence[Expression], at: float) -> SeriesSource:
    """A source that has what the expressions select, read at once.

    When that fails, each rule reads for itself, so that one whose selectors cost too much fails alone.
    """
    fetches = tuple(dict.fromkeys(fetch for each in expressions for fetch in _planned(each, at)))
    try:
        columns = StoreSeries(connection, LIMITS).select(fetches) if fetches else []
    except (QueryError, DBAPIError, DriverError):
        if connection.invalidated:
            raise
        return Separate(connection)
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
