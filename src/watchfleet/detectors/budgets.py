"""How much of each performance budget is used, by what applications reported of themselves.

The distributions of all processes are put together (`watchfleet.metrics.rollups`): a percentile is one of all
calls of the window, in whole buckets of the tier that fits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from watchfleet.budgets import Budget
from watchfleet.clock import slot_start
from watchfleet.detectors.processes import RESIDENT, named
from watchfleet.detectors.slow_queries import DURATION, extent_of
from watchfleet.metrics import query, read, rollup_rows, sketch
from watchfleet.metrics.aggregate import Buckets
from watchfleet.metrics.ingest import write_samples
from watchfleet.model import Kind, Sample

PERIOD: Final = timedelta(minutes=1)
"""Of the task: PromQL's look-back of five minutes survives runs that fail."""
USED: Final = "watchfleet_budget_used_ratio"
"""What is used over what may be: above 1 the budget is broken."""
CALL_QUERIES: Final = "db_call_queries"

_Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one limit is used.

    Attributes:
        kind: What the budget is for: `task`, `endpoint`, `query` or `process`.
        subject: Its name.
        limit: What is limited.
        used: How much is used; None if nothing was reported in the window.
        allowed: How much may be used, in the same unit: seconds, a share, megabytes or queries.
    """

    kind: str
    subject: str
    limit: str
    used: float | None
    allowed: float

    @property
    def ratio(self) -> float | None:
        """The share of the limit that is used; above 1 it is broken."""
        return None if self.used is None else self.used / self.allowed

    @property
    def is_broken(self) -> bool:
        """Whether more is used than may be."""
        return self.used is not None and self.used > self.allowed

    def facts(self) -> dict[str, Any]:
        """All of it for JSON and CSV."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "limit": self.limit,
            "used": self.used,
            "allowed": self.allowed,
            "used_percent": None if self.ratio is None else self.ratio * 100,
            "broken": self.is_broken,
        }


def uses(connection: Connection, budgets: Iterable[Budget], now: datetime) -> list[Use]:
    """The use of each limit of each budget, in their order.

    Args:
        connection: Where to read.
        budgets: What may be used.
        now: The end of each window.

    Raises:
        TooMuchError: One is about more than 10,000 series.
    """
    return [use for budget in budgets for use in _of(_Window(connection, budget, now))]


def publish(connection: Connection, budgets: Iterable[Budget], now: datetime) -> int:
    """Write the use of each limit as a sample; returns how many are broken.

    Args:
        connection: A transaction.
        budgets: What may be used.
        now: The present.
    """
    found = uses(connection, budgets, now)
    samples = [
        Sample(USED, {"kind": one.kind, "subject": one.subject, "limit": one.limit}, Kind.GAUGE, at, ratio)
        for at in (now.timestamp(),)
        for one in found
        if (ratio := one.ratio) is not None
    ]
    if samples:
        write_samples(connection, f"budgets:{slot_start(now, PERIOD).isoformat()}", samples, now)
    return sum(one.is_broken for one in found)


class _Window:
    """What was reported of one budget's subject in its window."""

    def __init__(self, connection: Connection, budget: Budget, now: datetime) -> None:
        self.budget = budget
        self._connection = connection
        self._tier = query.pick(now - budget.window, now, now)
        self._extent = extent_of(self._tier, now - budget.window, now)

    def rows(self, name: str, matchers: _Labels, wanted: Callable[[_Labels], bool] | None = None) -> Buckets:
        """The buckets of the series that match and are wanted."""
        labels = read.series(self._connection, name, matchers)
        ids = [series for series, own in labels.items() if wanted is None or wanted(own)]
        return rollup_rows.read(self._connection, self._tier.table.table, replace(self._extent, series=ids))

    def total(self, name: str, matchers: _Labels, wanted: Callable[[_Labels], bool] | None = None) -> float:
        """The sum of what was counted."""
        return float(self.rows(name, matchers, wanted).columns["sum"].sum())

    def p95(self, name: str, matchers: _Labels) -> float | None:
        """The 95th percentile of all values, within 1.09 %."""
        rows = self.rows(name, matchers)
        if not len(rows):
            return None
        (found,) = sketch.quantiles(sketch.merge(rows.cells, np.zeros(len(rows), np.int64)), [0.95])
        return float(found[0])

    def highest(
        self, name: str, matchers: _Labels, wanted: Callable[[_Labels], bool] | None = None
    ) -> float | None:
        """The highest value."""
        rows = self.rows(name, matchers, wanted)
        return float(rows.columns["max"].max()) if len(rows) else None


def _of(window: _Window) -> Iterator[Use]:
    budget = window.budget
    for limit, allowed in budget.limits.items():
        yield Use(budget.kind, budget.subject, limit, _MEASURES[limit](window), allowed)


def _labels(budget: Budget) -> dict[str, str]:
    """The labels that tell the subject's series."""
    if budget.endpoint is not None:
        method, _, route = budget.endpoint.partition(" ")
        return {"method": method, "route": route}
    return {"fingerprint" if budget.kind == "query" else budget.kind: budget.subject}


def _duration(window: _Window) -> float | None:
    return window.p95(_DURATIONS[window.budget.kind], _labels(window.budget))


def _queries(window: _Window) -> float | None:
    return window.p95(CALL_QUERIES, {"place": window.budget.subject})


def _memory(window: _Window) -> float | None:
    budget = window.budget
    if budget.kind == "process":
        found = window.highest(RESIDENT, {}, lambda own: named(own)["process"] == budget.subject)
    else:
        found = window.highest("task_memory_bytes", _labels(budget))
    return None if found is None else found / 1e6


def _errors(window: _Window) -> float | None:
    failed, all_of_them = _COUNTS[window.budget.kind](window, _labels(window.budget))
    return failed / all_of_them if all_of_them else None


def _of_task(window: _Window, labels: _Labels) -> tuple[float, float]:
    failed = window.total("task_failed_total", labels)
    return failed, failed + window.total("task_succeeded_total", labels)


def _of_endpoint(window: _Window, labels: _Labels) -> tuple[float, float]:
    name = "http_requests_total"
    failed = window.total(name, labels, lambda own: own.get("status", "").startswith("5"))
    return failed, window.total(name, labels)


def _of_query(window: _Window, labels: _Labels) -> tuple[float, float]:
    asked = window.rows(DURATION, labels).columns["n"].sum()
    return window.total("db_query_errors_total", labels), float(asked)


_DURATIONS: Final = {
    "task": "task_duration_seconds",
    "endpoint": "http_request_duration_seconds",
    "query": DURATION,
}
_COUNTS: Final = {"task": _of_task, "endpoint": _of_endpoint, "query": _of_query}
_MEASURES: Final = {
    "p95_duration": _duration,
    "error_rate": _errors,
    "memory_mb": _memory,
    "queries_per_call": _queries,
}
