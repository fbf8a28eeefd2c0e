"""Figures of each platform: computed by one writer, kept as samples and for `/metrics`.

Whoever shows them reads what the writer found: a hundred thousand accounts are added up once a period and not
once a scrape, and every process shows the same.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, text

from watchfleet.clock import slot_start
from watchfleet.db.locks import Lock, try_lock
from watchfleet.metrics import ingest
from watchfleet.metrics.accounts.freshness import ACTIVE, AGE, STALE, thresholds
from watchfleet.model import Kind, Sample

PERIOD: Final = timedelta(seconds=15)
"""A period has one set of samples, however often it is computed."""

AGES: Final = (60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 43_200, 86_400, 172_800, 604_800)
"""The upper bounds of the buckets of `data_age_seconds`."""

ACTIONS: Final = ("likes", "comments", "shares")
"""What counts as engagement; a view does not."""

_ENGAGED: Final = "followers > 0 AND coalesce(likes, comments, shares) IS NOT NULL"
_ACTIONS: Final = " + ".join(f"coalesce({action}, 0)" for action in ACTIONS)
_FIGURES: Final = text(
    "SELECT platform, count(*) FILTER (WHERE state = 'ok') AS ok,"  # noqa: S608 - all of it is ours
    " count(*) FILTER (WHERE state = 'failing') AS failing,"
    " count(*) FILTER (WHERE state = 'unscraped') AS unscraped,"
    f" count(*) FILTER (WHERE {STALE}) AS stale,"
    " extract(epoch FROM max(last_success_at))::float8 AS last_success,"
    " count(age) AS aged, coalesce(sum(age), 0) AS age, ARRAY["
    + ", ".join(f"count(*) FILTER (WHERE age <= {bound})" for bound in AGES)
    + "] AS ages, sum(followers) AS followers, "
    + ", ".join(f"sum({action}) AS {action}" for action in (*ACTIONS, "views"))
    + f", sum({_ACTIONS}) FILTER (WHERE {_ENGAGED}) AS engagements,"  # noqa: S608 - likewise
    f" sum(followers) FILTER (WHERE {_ENGAGED}) AS audience"
    f" FROM (SELECT *, {AGE} AS age,"
    " CASE WHEN coalesce(last_success_at, last_failure_at) IS NULL THEN 'unscraped'"
    " WHEN last_success_at >= coalesce(last_failure_at, '-infinity') THEN 'ok' ELSE 'failing' END AS state"
    f" FROM account WHERE {ACTIVE}) AS judged GROUP BY platform"
)


@dataclass(frozen=True, slots=True)
class Platform:
    """The figures of one platform.

    Attributes:
        platform: Its name.
        figures: By column of `_FIGURES`.
    """

    platform: str
    figures: Mapping[str, Any]

    def accounts(self) -> Iterator[tuple[str, int]]:
        """How many accounts are in each state."""
        for state in ("ok", "failing", "unscraped"):
            yield state, self.figures[state]

    def ages(self) -> Iterator[tuple[str, int]]:
        """How many accounts last succeeded at most so many seconds ago, by the bucket's bound."""
        for bound, count in zip(AGES, self.figures["ages"], strict=True):
            yield f"{float(bound)}", count
        yield "+Inf", self.figures["aged"]

    def gauges(self) -> Iterator[tuple[str, dict[str, str], float | None]]:
        """The figures that are one number: the metric, further labels, the value; None where unknown."""
        yield "accounts_stale", {}, self.figures["stale"]
        for action in (*ACTIONS, "views"):
            yield "engagement", {"action": action}, self.figures[action]
        for metric, figure in (
            ("scrape_last_success_timestamp_seconds", "last_success"),
            ("followers", "followers"),
            ("engaged_followers", "audience"),
        ):
            yield metric, {}, self.figures[figure]
        audience = self.figures["audience"]
        yield "engagement_ratio", {}, self.figures["engagements"] / audience if audience else None


def publish(connection: Connection, now: datetime) -> int:
    """Compute every platform's figures and keep them; 0 while another process is at it.

    Returns:
        How many platforms there are.
    """
    if not try_lock(connection, Lock.PLATFORMS):
        return 0
    found = [Platform(row.platform, _plain(row)) for row in connection.execute(_FIGURES, thresholds(now))]
    connection.execute(text("DELETE FROM platform_stats"))
    if found:
        connection.execute(
            text("INSERT INTO platform_stats (platform, at, figures) VALUES (:platform, :at, :figures)"),
            [{"platform": one.platform, "at": now, "figures": json.dumps(one.figures)} for one in found],
        )
        batch = f"platforms@{slot_start(now, PERIOD).isoformat()}"
        ingest.write_samples(connection, batch, list(_samples(found, now.timestamp())), now)
    return len(found)


def published(connection: Connection, since: datetime) -> list[Platform]:
    """Every platform's figures, if they were computed since an instant; by name."""
    rows = connection.execute(
        text("SELECT platform, figures FROM platform_stats WHERE at >= :since ORDER BY platform"),
        {"since": since},
    )
    return [Platform(row.platform, row.figures) for row in rows]


def _plain(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "platform"}  # noqa: SLF001 - SQLAlchemy's public name


def _samples(found: list[Platform], at: float) -> Iterator[Sample]:
    for one in found:
        for name, labels, value in _points(one):
            yield Sample(name, {"platform": one.platform, **labels}, Kind.GAUGE, at, value)


def _points(one: Platform) -> Iterator[tuple[str, dict[str, str], float]]:
    for state, count in one.accounts():
        yield "accounts", {"state": state}, count
    for bound, count in one.ages():
        yield "data_age_seconds_bucket", {"le": bound}, count
    yield "data_age_seconds_count", {}, one.figures["aged"]
    yield "data_age_seconds_sum", {}, one.figures["age"]
    for name, labels, value in one.gauges():
        if value is not None:
            yield name, labels, value
