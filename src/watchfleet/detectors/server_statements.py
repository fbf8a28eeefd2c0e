"""What PostgreSQL itself counts of each kind of query, for those that no application reports.

`pg_stat_statements` counts since its last reset. What it says goes into the store as counters, whose increase
over any time is what happened in it, also over a reset.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from watchfleet import correlation, wire
from watchfleet.clock import slot_start
from watchfleet.db.engine import transaction
from watchfleet.detectors.visits import each, visiting
from watchfleet.instrument.fingerprint import key_of, text_of
from watchfleet.metrics import ingest
from watchfleet.model import Activity, Kind, Sample

PERIOD: Final = timedelta(minutes=1)
MOST: Final = 100
"""Kinds of one database, those that took the most time since the last reset."""
_INSTALLED: Final = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements') AS found"
_QUERY: Final = """
SELECT queryid AS query_id, min(query) AS query, sum(calls)::float8 AS calls,
       sum(total_exec_time)::float8 / 1000 AS seconds, sum(rows)::float8 AS rows
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IS NOT NULL
GROUP BY queryid ORDER BY seconds DESC LIMIT %s
"""
_COUNTERS: Final = {
    "calls": "pg_stat_statements_calls_total",
    "seconds": "pg_stat_statements_seconds_total",
    "rows": "pg_stat_statements_rows_total",
}


def publish(databases: Mapping[str, str], now: datetime) -> int:
    """Write what each database counts; returns how many kinds that were.

    One that does not answer, or has no such extension, is left out.

    Args:
        databases: Addresses by the name under which they are known.
        now: The present.
    """
    samples: list[Sample] = []
    kinds: list[Activity] = []
    for name, found in each(databases, read):
        for row in found:
            key, at = key_of(row["query"]), now.timestamp()
            samples += _samples(row, {"target": name, "fingerprint": key}, at)
            kinds.append(
                Activity("statement", at, correlation.new(), key, {"statement": text_of(row["query"])})
            )
    if samples:
        with transaction() as connection:
            batch = wire.pack(samples, (), kinds)
            ingest.write(connection, f"statements:{slot_start(now, PERIOD).isoformat()}", batch, now)
    return len(kinds)


def read(url: str) -> list[dict[str, Any]]:
    """The kinds of a database that took the most time: `query_id`, `query`, `calls`, `seconds`, `rows`.

    Args:
        url: The database's address, `postgresql://...`.

    Raises:
        psycopg2.Error: It does not answer, or tells the role nothing.
    """
    with visiting(url) as cursor:
        cursor.execute(_INSTALLED)
        installed = cursor.fetchone()
        if not installed or not installed["found"]:
            return []
        cursor.execute(_QUERY, (MOST,))
        return [dict(row) for row in cursor.fetchall()]


def _samples(row: Mapping[str, Any], labels: dict[str, str], at: float) -> Iterator[Sample]:
    for column, metric in _COUNTERS.items():
        yield Sample(metric, {**labels, "query_id": str(row["query_id"])}, Kind.COUNTER, at, row[column])
