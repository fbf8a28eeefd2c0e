"""What `/metrics` shows, as Prometheus's metric families."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from sqlalchemy import Connection, func, select, text

from watchfleet.breaker import statistics
from watchfleet.breaker.statistics import Statistics
from watchfleet.db.engine import server_clock
from watchfleet.db.tables import alert
from watchfleet.metrics.accounts import scrapes
from watchfleet.metrics.accounts.platforms import Platform, published
from watchfleet.metrics.counters import Total, totals
from watchfleet.model import Kind, Status
from watchfleet.notify.accounts import accounting, oldest_due
from watchfleet.probes.health import LOST_AFTER, Check
from watchfleet.rules.library import get_library
from watchfleet.rules.vitals import rule_figures

STORE_SECONDS: Final = 2
"""How long each query for `/metrics` may take."""
PUBLISHED_WITHIN: Final = timedelta(minutes=2)
"""Figures of platforms that are older are left out: absent is better than wrong."""
_HELP: Final = {
    "accounts": "Accounts by the outcome of their last scrape",
    "accounts_stale": "Accounts whose last successful scrape is too long ago, or never was",
    "celery_queue_length": "Messages that wait in a queue",
    "celery_worker_up": "Whether a worker answered the last broadcast",
    "data_age_seconds": "Seconds since each account was last scraped with success, as of now",
    "disk_free_bytes": "What an ordinary user may still write",
    "engaged_followers": "Followers of the accounts whose engagement is known",
    "engagement": "Likes, comments, shares and views as last reported, over all accounts",
    "engagement_ratio": "Likes, comments and shares of a platform's accounts per follower of theirs",
    "followers": "Followers as last counted, over all accounts",
    "memory_available_bytes": "Memory that can be had without swapping",
    "probe_http_duration_seconds": "Duration of each phase of the last check",
    "probe_http_status_code": "HTTP status of the last check",
    "scrape_last_success_timestamp_seconds": "When a scrape last succeeded, in Unix seconds",
    "scrapes_total": "Scrapes that applications reported",
    "watchfleet_rule_file_problems": "What is wrong with rule files",
    "watchfleet_rules": "Rules that are on",
    "watchfleet_rules_dead": "Rules whose selectors match no series at all",
    "watchfleet_rules_failing": "Rules whose last evaluation failed",
}
_BREAKER_HELP: Final = {
    f"{statistics.PREFIX}{name}": said
    for name, said in {
        "state": "1 for the state that a circuit breaker is in",
        "buffered_calls": "Calls in a circuit breaker's window",
        "slow_calls": "Slow calls in a circuit breaker's window",
        "failure_rate": "Percent of a window's calls that failed; -1 with too few calls",
        "slow_call_rate": "Percent of a window's calls that were slow; -1 with too few calls",
        "not_permitted_calls_total": "Calls that a circuit breaker refused",
    }.items()
}
# The names that the dashboards of Celery exporters know.
_RENAMED: Final = {"celery_queue_length": {"queue": "queue_name"}}

Point = tuple[dict[str, str], float]


@dataclass(frozen=True, slots=True)
class StoreTotals:
    """What the store has to say, read in one transaction."""

    platforms: list[Platform]
    counters: list[Total]
    alerts: list[Point]
    notifications: dict[str, int] = field(default_factory=dict)
    oldest_due: float = 0.0
    rules: dict[str, float] = field(default_factory=dict)


def read_store(connection: Connection, now: datetime) -> StoreTotals:
    """Read everything that `/metrics` shows of the store."""
    connection.execute(text(f"SET LOCAL statement_timeout = '{STORE_SECONDS}s'"))
    rows = connection.execute(
        select(name := alert.c.labels["alertname"].astext, alert.c.severity, alert.c.state, func.count())
        .where(alert.c.state.in_(("pending", "firing")))
        .group_by(name, alert.c.severity, alert.c.state)
    )
    alerts = [
        ({"alertname": rule, "severity": severity, "state": state}, float(count))
        for rule, severity, state, count in rows
    ]
    return StoreTotals(
        published(connection, now - PUBLISHED_WITHIN),
        totals(connection),
        alerts,
        accounting(connection),
        oldest_due(connection, server_clock(connection)),
        rule_figures(connection, get_library(), now),
    )


def of_checks(checks: Mapping[str, Check | None], now: float) -> Iterator[Metric]:
    """The last result of each target, unless it is too old to be told."""
    points: dict[str, list[Point]] = defaultdict(list)
    for name, check in checks.items():
        if check is not None and now - check.checked_at <= LOST_AFTER * check.interval:
            for metric, labels, value in _points(name, check):
                points[metric].append((labels, value))
    for metric, found in points.items():
        yield gauge(metric, _HELP.get(metric, "Measured by the last check"), found)


def of_store(found: StoreTotals) -> Iterator[Metric]:
    """Accounts and scrapes by platform, alerts, notifications, and the store's own counters."""
    yield from of_platforms(found.platforms)
    yield durations(found.counters)
    yield gauge("watchfleet_alerts", "Alerts that are pending or firing", found.alerts)
    yield gauge(
        "watchfleet_notifications",
        "Notifications; created = sent + dead + grouped + suppressed + open",
        [
            ({"state": state}, float(count))
            for state, count in found.notifications.items()
            if state != "unaccounted"
        ],
    )
    yield gauge(
        "watchfleet_notifications_unaccounted",
        "Notifications that are in no state; anything but 0 is a fault",
        [({}, float(found.notifications.get("unaccounted", 0)))],
    )
    yield gauge(
        "watchfleet_notification_oldest_due_seconds",
        "For how long the oldest notification has been due that could go out",
        [({}, found.oldest_due)],
    )
    for name, value in found.rules.items():
        yield gauge(name, _HELP[name], [({}, value)])
    by_name: dict[str, list[Point]] = defaultdict(list)
    for total in found.counters:
        if total.name.endswith("_total"):
            by_name[total.name].append((total.labels, total.value))
    for name, points in by_name.items():
        yield counter(name, _HELP.get(name, "Counted in the store"), points)


def of_platforms(platforms: Iterable[Platform]) -> Iterator[Metric]:
    """What the one writer found of each platform."""
    points: dict[str, list[Point]] = defaultdict(list)
    ages = HistogramMetricFamily("data_age_seconds", _HELP["data_age_seconds"], labels=["platform"])
    for one in platforms:
        for state, count in one.accounts():
            points["accounts"].append(({"platform": one.platform, "state": state}, float(count)))
        for name, labels, value in one.gauges():
            if value is not None:
                points[name].append(({"platform": one.platform, **labels}, value))
        ages.add_metric([one.platform], list(one.ages()), one.figures["age"])
    yield ages
    for name, found in points.items():
        yield gauge(name, _HELP[name], found)


def durations(counters: Iterable[Total]) -> Metric:
    """How long scrapes took, out of the counts of each bucket."""
    family = HistogramMetricFamily(scrapes.DURATION, "How long scrapes took", labels=["platform"])
    for platform, (buckets, seconds) in scrapes.histograms(counters).items():
        family.add_metric([platform], buckets, seconds)
    return family


def of_breakers(found: Iterable[Statistics], now: float) -> Iterator[Metric]:
    """How circuit breakers stand, under the names that Micrometer gives resilience4j's."""
    calls = SummaryMetricFamily(statistics.CALLS, "Calls through a circuit breaker, by what they came to")
    points: dict[tuple[str, Kind], list[Point]] = defaultdict(list)
    for one in found:
        for name, labels, kind, _, value in statistics.figures(one, now):
            if name.startswith(statistics.CALLS):
                calls.add_sample(name, labels, value)
            else:
                points[name, kind].append((labels, value))
    for (name, kind), those in points.items():
        yield (counter if kind is Kind.COUNTER else gauge)(name, _BREAKER_HELP[name], those)
    if calls.samples:
        yield calls


def gauge(name: str, help_text: str, points: Iterable[Point]) -> Metric:
    """A family of levels."""
    return _filled(GaugeMetricFamily(name, help_text), name, points)


def counter(name: str, help_text: str, points: Iterable[Point]) -> Metric:
    """A family of counters; `name` ends in `_total`."""
    return _filled(CounterMetricFamily(name, help_text), name, points)


def _filled(family: Metric, name: str, points: Iterable[Point]) -> Metric:
    for labels, value in points:
        family.add_sample(name, labels, value)
    return family


def _points(target: str, check: Check) -> Iterator[tuple[str, dict[str, str], float]]:
    labels = {"target": target, "kind": check.kind}
    yield "probe_checked_timestamp_seconds", labels, check.checked_at
    if check.status is not Status.UNKNOWN:
        yield "probe_success", labels, float(check.status in {Status.UP, Status.DEGRADED})
        yield "probe_duration_seconds", labels, check.duration
    for name, value, more in check.values:
        renamed = _RENAMED.get(name, {})
        yield name, {"target": target, **{renamed.get(key, key): more[key] for key in more}}, value
