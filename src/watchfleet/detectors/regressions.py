"""The kinds of queries that take the most time, and which of them got slower than in the week before.

The last hour is compared with the seven days that ended a day ago, so that for a day a query that got slow is
not measured by itself. A kind that was asked too seldom in either is not judged: few tell no percentile.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from watchfleet.clock import slot_start
from watchfleet.detectors.slow_queries import KindOfQuery, top
from watchfleet.metrics.ingest import write_samples
from watchfleet.model import Kind, Sample

PERIOD: Final = timedelta(minutes=4)
"""Of the task: often enough that PromQL's look-back of five minutes sees the last run."""
RECENT: Final = timedelta(hours=1)
BEFORE: Final = timedelta(days=7)
APART: Final = timedelta(days=1)
KINDS: Final = 20
"""Kinds with series of their own; the others are `other`."""
LEAST: Final = 100
"""Queries without which a 95th percentile says little: five of them are above it."""
RATIO: Final = "db_query_p95_week_ratio"


def publish(connection: Connection, now: datetime) -> int:
    """Write the time of the last hour by kind, and the p95 of each beside that of the week before.

    Args:
        connection: A transaction.
        now: The present.

    Returns:
        How many kinds take at least twice as long as before.
    """
    found = top(connection, now - RECENT, now, limit=10_000)
    samples = [*_times(found, now.timestamp()), *_ratios(connection, found[:KINDS], now)]
    if samples:
        write_samples(connection, f"queries:{slot_start(now, PERIOD).isoformat()}", samples, now)
    return sum(1 for one in samples if one.name == RATIO and one.value >= 2)


def _times(found: list[KindOfQuery], at: float) -> Iterator[Sample]:
    totals = {one.fingerprint: one.total for one in found[:KINDS]}
    if len(found) > KINDS:
        totals["other"] = totals.get("other", 0.0) + sum(one.total for one in found[KINDS:])
    for fingerprint, seconds in totals.items():
        yield Sample("db_query_hour_seconds", {"fingerprint": fingerprint}, Kind.GAUGE, at, seconds)


def _ratios(connection: Connection, found: list[KindOfQuery], now: datetime) -> Iterator[Sample]:
    for one in found:
        week = top(connection, now - APART - BEFORE, now - APART, fingerprint=one.fingerprint)
        if one.count >= LEAST and week and week[0].count >= LEAST and week[0].p95 > 0:
            ratio = one.p95 / week[0].p95
            yield Sample(RATIO, {"fingerprint": one.fingerprint}, Kind.GAUGE, now.timestamp(), ratio)
