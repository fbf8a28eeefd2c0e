"""Which kinds of queries take the time: what all processes reported of each, put together.

The durations of a kind are histograms of five minutes and longer (`watchfleet.metrics.rollups`). They are
added up over services, processes and time: a percentile of a week is as right as one of five minutes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Connection, select

from watchfleet.db.tables import activity
from watchfleet.metrics import marks, query, read, rollup_rows, sketch
from watchfleet.metrics.answer import isoformat
from watchfleet.metrics.rollup_rows import Extent
from watchfleet.metrics.statements import texts
from watchfleet.metrics.tiers import Tier

DURATION: Final = "db_query_duration_seconds"
_COUNTS: Final = {
    "rows": "db_query_rows_total",
    "errors": "db_query_errors_total",
    "slow": "watchfleet_slow_queries_total",
}
MOST_SLOW: Final = 100
_QUANTILES: Final = (0.95, 0.99)
ORDERS: Final = ("total", "count", "avg", "p95", "p99", "max", "rows", "errors", "slow")
"""What kinds can be ordered by."""


@dataclass(frozen=True, slots=True)
class KindOfQuery:
    """What is known of one kind; times in seconds.

    Attributes:
        fingerprint: Its key.
        services: Who asks it.
        count: How often.
        total: How long in all.
        p95: The 95th percentile, within 1.09 %.
        p99: The 99th percentile.
        max: The longest.
        rows: Rows brought or changed, as far as that is known.
        errors: How many failed.
        slow: How many took `SLOW_QUERY_SECONDS` or more.
        text: A statement of the kind without its values; empty if none is known.
    """

    fingerprint: str
    services: tuple[str, ...]
    count: int
    total: float
    p95: float
    p99: float
    max: float
    rows: int
    errors: int
    slow: int
    text: str

    @property
    def avg(self) -> float:
        """The mean."""
        return self.total / self.count

    def facts(self) -> dict[str, Any]:
        """All of it for JSON and CSV."""
        return {
            "fingerprint": self.fingerprint,
            "services": list(self.services),
            "count": self.count,
            "total_seconds": self.total,
            "avg_seconds": self.avg,
            "p95_seconds": self.p95,
            "p99_seconds": self.p99,
            "max_seconds": self.max,
            "rows": self.rows,
            "errors": self.errors,
            "slow": self.slow,
            "statement": self.text,
        }


def top(
    connection: Connection,
    start: datetime,
    now: datetime,
    *,
    order: str = "total",
    limit: int = 20,
    fingerprint: str | None = None,
) -> list[KindOfQuery]:
    """The kinds that were asked since `start`, in whole buckets of the tier that fits; most `order` first.

    Args:
        connection: Where to read.
        start: The beginning.
        now: The end.
        order: One of `ORDERS`.
        limit: How many at most.
        fingerprint: The only kind wanted.

    Raises:
        TooMuchError: There are more than 10,000 series of them.
    """
    tier = query.pick(start, now, now)
    matchers = {} if fingerprint is None else {"fingerprint": fingerprint}
    extent = extent_of(tier, start, now)
    counts = {field: _sums(connection, tier, extent, name, matchers) for field, name in _COUNTS.items()}
    found = _durations(connection, tier, extent, matchers, counts)
    found.sort(key=lambda one: (-float(getattr(one, order)), one.fingerprint))
    return found[:limit]


def details(
    connection: Connection, fingerprint: str, start: datetime, now: datetime, limit: int = 20
) -> dict[str, list[dict[str, Any]]]:
    """All that is known of one kind, for JSON; no list has an entry if nothing was reported of it.

    Args:
        connection: Where to read.
        fingerprint: The kind.
        start: The earliest instant.
        now: The present.
        limit: How many of each list at most, the newest.

    Returns:
        `queries`, the kind itself; `slow`, each with where it was asked; `locks`, chains of sessions that
        waited for such a query or its transaction; `repeats`, tasks and requests that asked it often.
    """
    slow = activity.c.fields["fingerprint"].astext == fingerprint
    named = activity.c.name == fingerprint
    return {
        "queries": [one.facts() for one in top(connection, start, now, fingerprint=fingerprint)],
        "slow": _newest(connection, start, limit, activity.c.kind == "query", slow),
        "locks": _newest(connection, start, limit, activity.c.kind == "lock", named),
        "repeats": _newest(connection, start, limit, activity.c.kind == "repeat", named),
    }


def _newest(
    connection: Connection, start: datetime, limit: int, *conditions: ColumnElement[bool]
) -> list[dict[str, Any]]:
    table = activity.c
    rows = connection.execute(
        select(table.ts, table.correlation_id, table.service, table.duration, table.fields)
        .where(table.ts >= start, *conditions)
        .order_by(table.ts.desc())
        .limit(limit)
    )
    return [
        {
            "at": isoformat(row.ts),
            "seconds": row.duration,
            "service": row.service,
            "correlation_id": row.correlation_id,
            **row.fields,
        }
        for row in rows
    ]


def extent_of(tier: Tier, start: datetime, now: datetime) -> Extent:
    """The whole buckets of a tier that hold the time from `start` until now."""
    return Extent(tier.bucket(marks.microseconds(start)), marks.microseconds(now + timedelta(microseconds=1)))


def _of(extent: Extent, labels: Iterable[int]) -> Extent:
    return Extent(extent.start, extent.end, list(labels))


def _sums(
    connection: Connection, tier: Tier, extent: Extent, name: str, matchers: Mapping[str, str]
) -> dict[str, float]:
    """The sum of a count by fingerprint."""
    labels = read.series(connection, name, matchers)
    rows = rollup_rows.read(connection, tier.table.table, _of(extent, labels))
    found: dict[str, float] = defaultdict(float)
    for series, amount in zip(rows.columns["series_id"].tolist(), rows.columns["sum"].tolist(), strict=True):
        found[labels[series].get("fingerprint", "")] += amount
    return found


def _durations(
    connection: Connection,
    tier: Tier,
    extent: Extent,
    matchers: Mapping[str, str],
    counts: Mapping[str, Mapping[str, float]],
) -> list[KindOfQuery]:
    labels = {
        series: own
        for series, own in read.series(connection, DURATION, matchers).items()
        if "fingerprint" in own
    }
    rows = rollup_rows.read(connection, tier.table.table, _of(extent, labels))
    if not len(rows):
        return []
    ids = rows.columns["series_id"]
    keys, owner = np.unique([labels[one]["fingerprint"] for one in ids.tolist()], return_inverse=True)
    p95, p99 = sketch.quantiles(sketch.merge(rows.cells, owner), _QUANTILES)
    n, total = (np.bincount(owner, rows.columns[name]) for name in ("n", "sum"))
    longest = np.full(len(keys), -np.inf)
    np.maximum.at(longest, owner, rows.columns["max"])
    known, services = texts(connection, keys.tolist()), _services(labels)
    return [
        KindOfQuery(
            key,
            services[key],
            int(n[at]),
            float(total[at]),
            float(p95[at]),
            float(p99[at]),
            float(longest[at]),
            **{field: int(amounts.get(key, 0)) for field, amounts in counts.items()},
            text=known.get(key, ""),
        )
        for at, key in enumerate(keys.tolist())
    ]


def _services(labels: Mapping[int, Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = defaultdict(set)
    for own in labels.values():
        found[own["fingerprint"]].add(own.get("service", ""))
    return {key: tuple(sorted(services)) for key, services in found.items()}
