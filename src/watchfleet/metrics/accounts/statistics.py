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
_SUMMED: Final = ", ".join(f"sum({name}) AS {name}" for name in _SUMS)
_NEWEST: Final = ", ".join(f"({levels.newest(level)})[2] AS {level}" for level in LEVELS)


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
    where = f"day BETWEEN :first AND :last AND {condition}"
    query = _of_accounts(where, after) if by == "account" else _together(by, where, after)
    rows = connection.execute(text(query), {"first": span[0], "last": span[1], **values, **position})
    return [_statistics(row, by) for row in rows]


def _of_accounts(where: str, after: str) -> str:
    """The query for a row for each account and day, which reads no more than its page."""
    key = ", ".join(BY["account"])
    return (
        f"SELECT {key}, 1 AS accounts, CAST(sum(succeeded) > 0 AS int) AS scraped,"  # noqa: S608 - names and conditions of ours
        f" max(account_group) AS named, {_SUMMED}, {_NEWEST} FROM daily_stats WHERE {where} AND {after}"
        f" GROUP BY {key} ORDER BY {key} LIMIT :most"
    )


def _together(by: By, where: str, after: str) -> str:
    """The query for a row for many accounts. By group, an account that changed it is in each."""
    key, one = ", ".join(BY[by]), "day, platform, account" + (", account_group" if by == "group" else "")
    named = "account_group" if by == "group" else "NULL"
    levels_of = ", ".join(f"sum({level}) AS {level}" for level in LEVELS)
    return (
        f"SELECT {key}, count(*) AS accounts, count(*) FILTER (WHERE succeeded > 0) AS scraped,"  # noqa: S608 - as above
        f" {named} AS named, {_SUMMED}, {levels_of},"
        f" sum({_ACTIONS}) FILTER (WHERE {_ENGAGED}) AS engagements,"
        f" sum(followers) FILTER (WHERE {_ENGAGED}) AS audience"
        f" FROM (SELECT {one}, {_SUMMED}, {_NEWEST} FROM daily_stats WHERE {where} GROUP BY {one}) AS one"
        f" WHERE {after} GROUP BY {key} ORDER BY {key} LIMIT :most"
    )


def _statistics(row: Any, by: By) -> Statistics:
    levels_of = {level: getattr(row, level) for level in LEVELS}
    engaged = _engagement(levels_of) if by == "account" else (row.engagements, row.audience)
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
        levels_of,
        *engaged,
    )


def _engagement(of: dict[str, float | None]) -> tuple[float | None, float | None]:
    """An account's likes, comments and shares, and the followers they are for; None if either is unknown."""
    known = [value for value in (of["likes"], of["comments"], of["shares"]) if value is not None]
    return (sum(known), of["followers"]) if known and of["followers"] else (None, None)


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return numerator / denominator if numerator is not None and denominator else None
