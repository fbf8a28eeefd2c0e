"""Growth: how followers changed over 1, 7 and 30 days, absolutely and relatively.

Days are compared by the last count of each. Where a day has none, the last count of up to a week before
stands in; an account without that has no growth over the span, and counts in no sum of it.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

from watchfleet.metrics.accounts import levels
from watchfleet.metrics.accounts.page import MOST, Page, Wanted

SPANS: Final = (1, 7, 30)
"""Days over which growth is told."""

STANDS_IN: Final = 7
"""Days for which a count stands in for one that is missing."""

_NEWEST: Final = f"({levels.newest('followers', 'day > :from_{0} AND day <= :to_{0}')})[2]"
_ACCOUNTS: Final = (
    "SELECT platform, account, max(account_group) AS account_group, "  # noqa: S608 - names and conditions of ours
    + ", ".join(f"{_NEWEST.format(span)} AS followers_{span}" for span in (0, *SPANS))
    + " FROM daily_stats WHERE ("
    + " OR ".join(f"day > :from_{span} AND day <= :to_{span}" for span in (0, *SPANS))
    + ") AND {condition} AND {after} GROUP BY platform, account"
)


class Change(NamedTuple):
    """The change over one span.

    Attributes:
        days: The span.
        accounts: How many accounts have a count at both ends.
        before: Their followers at its beginning.
        after: At its end.
    """

    days: int
    accounts: int
    before: float
    after: float

    def facts(self) -> dict[str, Any]:
        """The same for programs; columns end in the span."""
        known = bool(self.accounts)
        relative = (self.after - self.before) / self.before if known and self.before else None
        return {
            f"accounts_{self.days}d": self.accounts,
            f"followers_before_{self.days}d": self.before if known else None,
            f"growth_{self.days}d": self.after - self.before if known else None,
            f"growth_ratio_{self.days}d": relative,
        }


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of an account, or of a platform's accounts together.

    Attributes:
        platform: Where.
        account: The account, if the row is for one.
        group: Its group, if any.
        accounts: How many accounts have a count on the day or stand in for one.
        followers: Theirs, then.
        changes: Over each span.
    """

    platform: str
    account: str | None
    group: str | None
    accounts: int
    followers: float | None
    changes: tuple[Change, ...]

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        found = {
            "platform": self.platform,
            "account": self.account,
            "group": self.group,
            "accounts": self.accounts,
            "followers": self.followers,
        }
        for change in self.changes:
            found |= change.facts()
        return found


def by_account(connection: Connection, day: date, wanted: Wanted, page: Page) -> list[Growth]:
    """One page of the growth of each account up to the end of a day, by platform and name."""
    return _read(connection, day, wanted, page, "platform, account")


def by_platform(connection: Connection, day: date, wanted: Wanted) -> list[Growth]:
    """The growth of each platform's accounts together, by name; of the first 10,000 platforms."""
    return _read(connection, day, wanted, Page(MOST, {}), "platform")


def _read(connection: Connection, day: date, wanted: Wanted, page: Page, key: str) -> list[Growth]:
    condition, values = wanted.condition()
    after, position = page.condition()
    changes = ", ".join(
        f"count(followers_0 - followers_{span}) AS both_{span},"
        f" sum(followers_{span}) FILTER (WHERE followers_0 IS NOT NULL) AS before_{span},"
        f" sum(followers_0) FILTER (WHERE followers_{span} IS NOT NULL) AS after_{span}"
        for span in SPANS
    )
    rows = connection.execute(
        text(
            f"SELECT {key}, max(account_group) AS named, count(followers_0) AS accounts,"  # noqa: S608 - as above
            f" sum(followers_0) AS followers, {changes}"
            f" FROM ({_ACCOUNTS.format(condition=condition, after=after)}) AS one"
            f" GROUP BY {key} ORDER BY {key} LIMIT :most"
        ),
        _bounds(day) | values | position,
    )
    return [_growth(row, is_account="account" in key) for row in rows]


def _bounds(day: date) -> dict[str, date]:
    found: dict[str, date] = {}
    for span in (0, *SPANS):
        end = day - timedelta(days=span)
        found |= {f"to_{span}": end, f"from_{span}": end - timedelta(days=STANDS_IN + 1)}
    return found


def _growth(row: Any, *, is_account: bool) -> Growth:
    changes = tuple(
        Change(
            span,
            getattr(row, f"both_{span}"),
            getattr(row, f"before_{span}") or 0.0,
            getattr(row, f"after_{span}") or 0.0,
        )
        for span in SPANS
    )
    return Growth(
        row.platform,
        row.account if is_account else None,
        (row.named or None) if is_account else None,
        row.accounts,
        row.followers,
        changes,
    )
