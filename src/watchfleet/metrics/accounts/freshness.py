"""Data freshness: how long ago each account was last scraped with success, and how many are stale."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from watchfleet.metrics.accounts.page import Page, Wanted
from watchfleet.metrics.answer import isoformat
from watchfleet.settings import get_settings

ACTIVE: Final = "seen_at >= :seen_since"
STALE: Final = (
    "(last_success_at IS NULL OR last_success_at < coalesce(CAST(CAST(:stale_on AS jsonb) ->> platform"
    " AS timestamptz), :stale_since))"
)
AGE: Final = (
    "CASE WHEN last_success_at IS NOT NULL THEN"
    " CAST(greatest(extract(epoch FROM CAST(:now AS timestamptz) - last_success_at), 0) AS float8) END"
)
"""SQL expressions for rows of `account`; `thresholds` has their parameters."""


@dataclass(frozen=True, slots=True)
class PlatformFreshness:
    """The freshness of a platform's accounts.

    Attributes:
        platform: Its name.
        accounts: How many there are.
        stale: How many had no success for longer than `stale_after`, or never.
        never: How many never had one.
        last_success_at: When one last had; None if never.
        age: Seconds since then.
        ages: Seconds since the last success of each account: the quantiles 0.5, 0.9 and 0.99, and the
            largest; of those that had one.
    """

    platform: str
    accounts: int
    stale: int
    never: int
    last_success_at: datetime | None
    age: float | None
    ages: tuple[float | None, ...]

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "platform": self.platform,
            "accounts": self.accounts,
            "stale": self.stale,
            "stale_share": self.stale / self.accounts,
            "never": self.never,
            "last_success_at": isoformat(self.last_success_at),
            "age_seconds": self.age,
            **dict(zip(("age_p50", "age_p90", "age_p99", "age_max"), self.ages, strict=True)),
        }


@dataclass(frozen=True, slots=True)
class AccountFreshness:
    """The freshness of one account.

    Attributes:
        platform: Where it is.
        account: Its name or id there.
        group: The group that it belongs to, if any.
        stale: Whether its last success is too long ago.
        last_success_at: When it was; None if never.
        age: Seconds since then.
        last_failure_at: When a scrape last failed.
        last_failure_reason: Why.
    """

    platform: str
    account: str
    group: str | None
    stale: bool
    last_success_at: datetime | None
    age: float | None
    last_failure_at: datetime | None
    last_failure_reason: str | None

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "platform": self.platform,
            "account": self.account,
            "group": self.group,
            "stale": self.stale,
            "last_success_at": isoformat(self.last_success_at),
            "age_seconds": self.age,
            "last_failure_at": isoformat(self.last_failure_at),
            "last_failure_reason": self.last_failure_reason,
        }


def thresholds(now: datetime) -> dict[str, Any]:
    """The parameters of `ACTIVE`, `STALE` and `AGE`."""
    settings = get_settings()
    by_platform = {name: (now - after).isoformat() for name, after in settings.stale_after_on.items()}
    return {
        "now": now,
        "seen_since": now - settings.accounts_kept,
        "stale_since": now - settings.stale_after,
        "stale_on": json.dumps(by_platform),
    }


def by_platform(connection: Connection, now: datetime, wanted: Wanted) -> list[PlatformFreshness]:
    """The freshness of each platform's accounts, by name."""
    condition, values = wanted.condition()
    rows = connection.execute(
        text(
            f"SELECT platform, count(*) AS accounts, count(*) FILTER (WHERE {STALE}) AS stale,"  # noqa: S608 - conditions of ours
            " count(*) FILTER (WHERE last_success_at IS NULL) AS never, max(last_success_at) AS newest,"
            " percentile_disc(ARRAY[0.5, 0.9, 0.99, 1.0]::float8[]) WITHIN GROUP (ORDER BY"
            f" {AGE}) AS ages FROM account WHERE {ACTIVE} AND {condition} GROUP BY platform"
            " ORDER BY platform"
        ),
        thresholds(now) | values,
    )
    return [
        PlatformFreshness(
            row.platform,
            row.accounts,
            row.stale,
            row.never,
            row.newest,
            _age(row.newest, now),
            tuple(row.ages or [None] * 4),
        )
        for row in rows
    ]


def by_account(
    connection: Connection, now: datetime, wanted: Wanted, page: Page, *, stale: bool | None = None
) -> list[AccountFreshness]:
    """One page of accounts, by platform and name.

    Args:
        connection: The store.
        now: The present.
        wanted: Which accounts.
        page: Which part of them.
        stale: Only those that are stale, or only those that are not; None for all.
    """
    condition, values = wanted.condition()
    if stale is not None:
        condition += f" AND {STALE}" if stale else f" AND NOT {STALE}"
    after, position = page.condition()
    rows = connection.execute(
        text(
            "SELECT platform, account, account_group, last_success_at, last_failure_at, last_failure_reason,"  # noqa: S608 - likewise
            f" {STALE} AS stale FROM account WHERE {ACTIVE} AND {condition} AND {after}"
            " ORDER BY platform, account LIMIT :most"
        ),
        thresholds(now) | values | position,
    )
    return [
        AccountFreshness(
            row.platform,
            row.account,
            row.account_group,
            row.stale,
            row.last_success_at,
            _age(row.last_success_at, now),
            row.last_failure_at,
            row.last_failure_reason,
        )
        for row in rows
    ]


def _age(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else max(0.0, (now - at).total_seconds())
