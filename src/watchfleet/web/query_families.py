"""What `/metrics` shows of queries: the heaviest kinds each by itself, the others as one.

However many kinds there are, there are no more than `HEAVIEST` and one series of each metric.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prometheus_client.metrics_core import Metric
from sqlalchemy import Connection, text

from watchfleet.detectors import slow_queries
from watchfleet.detectors.slow_queries import KindOfQuery
from watchfleet.metrics import query
from watchfleet.web.families import STORE_SECONDS, gauge

HEAVIEST: Final = 20
OTHER: Final = "other"
WINDOW: Final = timedelta(minutes=5)
_MOST_KINDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Load:
    """What was asked lately.

    Attributes:
        kinds: The kinds of queries, those first that took the most time.
        seconds: In how long.
    """

    kinds: Sequence[KindOfQuery]
    seconds: float


def read_load(connection: Connection, now: datetime) -> Load:
    """What was asked in the last five minutes, in whole buckets.

    Raises:
        TooMuchError: There are more than 10,000 series of them.
    """
    connection.execute(text(f"SET LOCAL statement_timeout = '{STORE_SECONDS}s'"))
    start = now - WINDOW
    extent = slow_queries.extent_of(query.pick(start, now, now), start, now)
    kinds = slow_queries.top(connection, start, now, limit=_MOST_KINDS)
    return Load(kinds, (extent.end - extent.start) / 1e6)


def of_load(load: Load) -> Iterator[Metric]:
    """How much of the time queries of each kind took, how often and how well they were answered."""
    named = [one for one in load.kinds if one.fingerprint != OTHER]
    heaviest = named[:HEAVIEST]
    shown = {one.fingerprint for one in heaviest}
    others = [one for one in load.kinds if one.fingerprint not in shown]
    for name, field, said in (
        ("db_query_load_ratio", "total", "Seconds that queries of a kind took, a second"),
        ("db_queries_per_second", "count", "Queries of a kind a second"),
        ("db_query_errors_per_second", "errors", "Queries of a kind a second that failed"),
    ):
        points = [({"fingerprint": one.fingerprint}, getattr(one, field)) for one in heaviest]
        if others:
            points.append(({"fingerprint": OTHER}, sum(getattr(one, field) for one in others)))
        yield gauge(name, said, [(labels, value / load.seconds) for labels, value in points])
    said = "Within how long 95 % of the queries of a kind were answered"
    yield gauge(
        "db_query_p95_seconds", said, [({"fingerprint": one.fingerprint}, one.p95) for one in heaviest]
    )
