"""The blueprint of `/api/stats/...`: what scrapers reported by day, how fresh and how large accounts are."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, cast

from flask import Blueprint

from watchfleet.clock import utcnow
from watchfleet.metrics.accounts import days, freshness, growth
from watchfleet.metrics.accounts.page import MOST, Page, Wanted
from watchfleet.metrics.accounts.statistics import BY, By, statistics
from watchfleet.web import parameters
from watchfleet.web.parameters import Answer, BadRequestError

api = Blueprint("stats", __name__, url_prefix="/api/stats")

PAGE: Final = 1000
_ACCOUNT: Final = ("platform", "account")


@api.get("/daily")
@parameters.answers
def daily() -> Answer:
    """What was done on each day from `since` (by default a week ago) to `until`.

    `by` is `account` (the default), `group` or `platform`; `platform`, `account` and `group` narrow it down.
    """
    by = cast("By", parameters.one_of("by", list(BY), "account"))
    span = _day("since", "7d"), _day("until", "0d")
    page = _page(BY[by])
    with parameters.reading() as connection:
        found = statistics(connection, span, by, _wanted(), page)
    rows = [one.facts() for one in found]
    names = [{"account_group": "group"}.get(name, name) for name in BY[by]]
    head = {"since": span[0].isoformat(), "until": span[1].isoformat(), "time_zone": days.zone().key}
    return _answer(head | {"by": by}, rows, page, names)


@api.get("/freshness")
@parameters.answers
def fresh() -> Answer:
    """How long ago accounts were last scraped with success: by platform, and a page of the accounts.

    `stale=true` and `stale=false` choose among these. A CSV has the accounts.
    """
    now, wanted, page = utcnow(), _wanted(), _page(_ACCOUNT)
    chosen = {"true": True, "false": False}.get(parameters.one_of("stale", ("true", "false", "any"), "any"))
    with parameters.reading() as connection:
        totals = freshness.by_platform(connection, now, wanted)
        accounts = freshness.by_account(connection, now, wanted, page, stale=chosen)
    head = {"at": now.isoformat(), "platforms": [one.facts() for one in totals]}
    return _answer(head, [one.facts() for one in accounts], page, _ACCOUNT, "accounts")


@api.get("/growth")
@parameters.answers
def grown() -> Answer:
    """How followers changed over 1, 7 and 30 days up to `day`, by default today: by platform and account."""
    day, wanted, page = _day("day", "0d"), _wanted(), _page(_ACCOUNT)
    with parameters.reading() as connection:
        totals = growth.by_platform(connection, day, wanted)
        accounts = growth.by_account(connection, day, wanted, page)
    head = {"day": day.isoformat(), "platforms": [one.facts() for one in totals]}
    return _answer(head, [one.facts() for one in accounts], page, _ACCOUNT, "accounts")


def _answer(
    head: dict[str, Any], rows: list[dict[str, Any]], page: Page, key: Sequence[str], name: str = "days"
) -> Answer:
    more = len(rows) == page.most
    after = parameters.next_cursor([rows[-1][column] or "" for column in key]) if more else None
    return Answer({**head, name: rows, "next": after}, rows)


def _wanted() -> Wanted:
    return Wanted(parameters.given("platform"), parameters.given("account"), parameters.given("group"))


def _page(columns: Sequence[str]) -> Page:
    after: dict[str, Any] = parameters.cursor(columns)
    if "day" in after:
        after["day"] = _parsed("after", after["day"])
    return Page(parameters.limit(PAGE, MOST), after)


def _day(name: str, default: str) -> date:
    return _parsed(name, parameters.given(name) or default)


def _parsed(name: str, given: str) -> date:
    try:
        return days.parse(given, days.day_of(utcnow()))
    except ValueError as error:
        raise BadRequestError(f"{name}: {error}") from error
