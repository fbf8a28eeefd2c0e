"""Daily statistics out of the store: by account, by group or by platform."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal

from sqlalchemy import Connection, text

from watchfleet.db.tables import LEVELS
from watchfleet.metrics.accounts import levels
from watchfleet.metrics.accounts.page import Page, Wanted

By = Literal["account", "group", "platform"]
BY: Final[dict[By, tuple[str, ...]]] = {
    "account": ("day", "platform", "account"),
    "group": ("day", "platform", "account_group"),
    "platform": ("day", "platform"),
}
"""What a row is for, and the columns that it is told from others by, in their order."""

_ACTIONS: Final = "coalesce(likes, 0) + coalesce(comments, 0) + coalesce(shares, 0)"
_ENGAGED: Final = "followers > 0 AND coalesce(likes, comments, shares) IS NOT NULL"
_SUMS: Final = ("succeeded", "failed", "timed", "duration_seconds", "content")


@dataclass(frozen=True, slots=True)
class Statistics:
    """What some accounts did on one day.

    Attributes:
        day: The day, of the fleet's time zone.
        platform: Where they are.
        account: The account, if the row is for one.
        group: The group, if the row is for one; of an account, the one that was named.
        accounts: How many accounts something was reported of.
        scraped: How many of them were scraped with success at least once.
        succeeded: Scrapes that succeeded.
        failed: Scrapes that failed.
        timed: Scrapes whose duration was told.
        duration_seconds: The sum of these.
        content: Pieces of content that were found.
        levels: Followers, likes and so on as last reported on that day, added up over the accounts; None
            where nothing was.
        engagements: Likes, comments and shares of the accounts whose followers were told, too.
        audience: The followers of these.
    """

    day: date
    platform: str
    account: str | None
    group: str | None
    accounts: int
    scraped: int
    succeeded: int
    failed: int
    timed: int
    duration_seconds: Decimal
    content: Decimal
    levels: dict[str, float | None]
    engagements: float | None
    audience: float | None

    def facts(self) -> dict[str, Any]:
        """The same for programs, with the ratios: each beside what it is made of."""
        return {
            "day": self.day.isoformat(),
            "platform": self.platform,
            "account": self.account,
            "group": self.group,
            "accounts": self.accounts,
            "accounts_scraped": self.scraped,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "success_rate": _ratio(self.succeeded, self.succeeded + self.failed),
            "timed": self.timed,
            "duration_seconds": float(self.duration_seconds),
            "mean_duration_seconds": _ratio(float(self.duration_seconds), self.timed),
            "content_found": float(self.content),
            **self.levels,
            "engagements": self.engagements,
            "engaged_followers": self.audience,
            "engagement_rate": _ratio(self.engagements, self.audience),
        }


def statistics(
    connection: Connection, span: tuple[date, date], by: By, wanted: Wanted, page: Page
) -> list[Statistics]:
    """One page of the statistics of some days, in the order of `BY`.

    Args:
        connection: The store.
        span: The first day and the last.
        by: What a row is for.
        wanted: Which accounts.
        page: Which part of the rows.
    """
    condition, values = wanted.condition()
    after, position = page.condition()
    key = ", ".join(BY[by])
    # By group, an account that changed it has a row in each; otherwise its rows of a day are one.
    inner = "day, platform, account, account_group" if by == "group" else "day, platform, account"
    newest = ", ".join(f"({levels.newest(level)})[2] AS {level}" for level in LEVELS)
    group = "account_group" if by == "group" else "max(nullif(account_group, '')) AS account_group"
    query = (
        f"SELECT {key}, count(DISTINCT account) AS accounts,"  # noqa: S608 - names and conditions of ours
        " count(DISTINCT account) FILTER (WHERE succeeded > 0) AS scraped,"
        f" max(account_group) AS named, {', '.join(f'sum({name}) AS {name}' for name in (*_SUMS, *LEVELS))},"
        f" sum({_ACTIONS}) FILTER (WHERE {_ENGAGED}) AS engagements,"
        f" sum(followers) FILTER (WHERE {_ENGAGED}) AS audience"
        f" FROM (SELECT {inner if by == 'group' else f'{inner}, {group}'},"
        f" {', '.join(f'sum({name}) AS {name}' for name in _SUMS)}, {newest}"
        f" FROM daily_stats WHERE day BETWEEN :first AND :last AND {condition} GROUP BY {inner}) AS one"
        f" WHERE {after} GROUP BY {key} ORDER BY {key} LIMIT :most"
    )
    rows = connection.execute(text(query), {"first": span[0], "last": span[1], **values, **position})
    return [_statistics(row, by) for row in rows]


def _statistics(row: Any, by: By) -> Statistics:
    return Statistics(
        row.day,
        row.platform,
        row.account if by == "account" else None,
        None if by == "platform" else row.named or None,
        row.accounts,
        row.scraped,
        int(row.succeeded),
        int(row.failed),
        int(row.timed),
        row.duration_seconds,
        row.content,
        {level: getattr(row, level) for level in LEVELS},
        row.engagements,
        row.audience,
    )


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return numerator / denominator if numerator is not None and denominator else None
