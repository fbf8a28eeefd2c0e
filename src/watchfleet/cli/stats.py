"""`watchfleet stats`: what scrapers reported, by day, and how fresh and how large accounts are."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, cast

import click
from rich.markup import escape
from rich.progress import Progress

from watchfleet.cli._console import make_console, print_table
from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, transaction
from watchfleet.errors import WatchfleetError
from watchfleet.metrics.accounts import days, freshness, growth, repair
from watchfleet.metrics.accounts.page import MOST, Page, Wanted
from watchfleet.metrics.accounts.statistics import BY, By, statistics
from watchfleet.metrics.answer import as_csv

_FIRST: Final = Page(MOST, {})
Rows = Sequence[Mapping[str, Any]]


class _Day(click.ParamType[date]):
    name = "DAY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return days.parse(value, days.day_of(utcnow()))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_accounts = _options(
    click.option("--platform", help="Only this platform."),
    click.option("--account", help="Only this account."),
    click.option("--group", help="Only accounts of this group."),
)
_forms = _options(
    click.option("--json", "form", flag_value="json", help="JSON, for programs."),
    click.option("--csv", "form", flag_value="csv", help="CSV, for spreadsheets."),
)


@click.group()
def stats() -> None:
    """See what scrapers reported of accounts: by day, how fresh, how large.

    A day is written like 2026-11-23, or 7d for the one a week ago; days are those of TIME_ZONE. The first
    10,000 rows are shown.

    \b
    Examples:
      watchfleet stats daily --by platform --since 30d
      watchfleet stats freshness --stale
      watchfleet stats growth --platform instagram --csv
    """


@stats.command()
@click.option("--since", type=_Day(), default="7d", show_default=True, help="The first day.")
@click.option("--until", type=_Day(), default="0d", help="The last day; today by default.")
@click.option(
    "--by", type=click.Choice(list(BY)), default="account", show_default=True, help="A row for each."
)
@_accounts
@_forms
def daily(since: date, until: date, by: str, form: str | None, **only: str | None) -> None:
    """Show what was done on each day: scrapes, success, duration, followers, engagement.

    \b
    Examples:
      watchfleet stats daily
      watchfleet stats daily --platform instagram --since 2026-11-01 --csv
      watchfleet stats daily --by group --since 30d --json
    """
    with transaction() as connection:
        found = statistics(connection, (since, until), cast("By", by), Wanted(**only), _FIRST)
    columns = {
        "DAY": "day",
        "PLATFORM": "platform",
        "ACCOUNT": "account",
        "GROUP": "group",
        "ACCOUNTS": "accounts",
        "SCRAPED": "accounts_scraped",
        "OK": "succeeded",
        "FAILED": "failed",
        "SUCCESS": "success_rate",
        "SECONDS": "mean_duration_seconds",
        "FOLLOWERS": "followers",
        "ENGAGEMENT": "engagement_rate",
        "FOUND": "content_found",
    }
    hidden = {"account": {"ACCOUNTS", "SCRAPED"}, "group": {"ACCOUNT"}, "platform": {"ACCOUNT", "GROUP"}}[by]
    shown = {head: name for head, name in columns.items() if head not in hidden}
    _show([one.facts() for one in found], form, shown)


@stats.command("freshness")
@click.option("--stale", is_flag=True, help="Only accounts that are stale.")
@_accounts
@_forms
def fresh(form: str | None, *, stale: bool, **only: str | None) -> None:
    """Show how long ago accounts were last scraped with success.

    Stale is what had no success for longer than STALE_AFTER, or never.

    \b
    Examples:
      watchfleet stats freshness
      watchfleet stats freshness --stale --platform instagram --csv
    """
    now, wanted = utcnow(), Wanted(**only)
    with transaction() as connection:
        totals = [one.facts() for one in freshness.by_platform(connection, now, wanted)]
        found = freshness.by_account(connection, now, wanted, _FIRST, stale=True if stale else None)
    accounts = [one.facts() for one in found]
    if form is None:
        _show(
            totals,
            form,
            {
                "PLATFORM": "platform",
                "ACCOUNTS": "accounts",
                "STALE": "stale",
                "SHARE": "stale_share",
                "NEVER": "never",
                "LAST SUCCESS": "last_success_at",
                "MEDIAN AGE": "age_p50",
                "P99": "age_p99",
            },
        )
    _show(
        accounts,
        form,
        {
            "PLATFORM": "platform",
            "ACCOUNT": "account",
            "GROUP": "group",
            "LAST SUCCESS": "last_success_at",
            "AGE": "age_seconds",
            "STALE": "stale",
            "LAST FAILURE": "last_failure_at",
            "WHY": "last_failure_reason",
        },
    )


@stats.command("growth")
@click.option("--day", type=_Day(), default="0d", help="Up to the end of this day; today by default.")
@_accounts
@_forms
def grown(day: date, form: str | None, **only: str | None) -> None:
    """Show how followers changed over 1, 7 and 30 days.

    \b
    Examples:
      watchfleet stats growth
      watchfleet stats growth --platform instagram --day 2026-11-23 --json
    """
    with transaction() as connection:
        totals = [one.facts() for one in growth.by_platform(connection, day, Wanted(**only))]
        accounts = [one.facts() for one in growth.by_account(connection, day, Wanted(**only), _FIRST)]
    columns = {"PLATFORM": "platform", "ACCOUNT": "account", "FOLLOWERS": "followers"}
    for span in growth.SPANS:
        columns |= {f"{span} D": f"growth_{span}d", f"{span} D RATIO": f"growth_ratio_{span}d"}
    _show(accounts if form else [*totals, *accounts], form, columns)


@stats.command()
@click.option(
    "--from", "first", type=_Day(), help="The first day; by default as far back as events are kept."
)
@click.option("--to", "last", type=_Day(), default="0d", help="The last day; today by default.")
def rebuild(first: date | None, last: date) -> None:
    """Make the statistics of days anew from the events.

    Days whose events are past their retention stay as they are. Use it after a change of TIME_ZONE.

    \b
    Examples:
      watchfleet stats rebuild
      watchfleet stats rebuild --from 2026-11-01 --to 2026-11-02
    """
    chosen = _recomputable(first, last)
    total = 0
    with Progress(console=make_console(stderr=True), transient=True) as progress:
        bar = progress.add_task("days", total=len(chosen))
        for _, rows in repair.rebuild(get_engine(), chosen):
            total += rows
            progress.advance(bar)
    click.echo(f"Made {len(chosen)} days anew: {total} rows.")


@stats.command()
@click.option(
    "--from", "first", type=_Day(), help="The first day; by default as far back as events are kept."
)
@click.option("--to", "last", type=_Day(), default="0d", help="The last day; today by default.")
def verify(first: date | None, last: date) -> None:
    """Recompute the statistics of days from the events and compare; exit 1 if a row differs.

    \b
    Examples:
      watchfleet stats verify
      watchfleet stats verify --from 2d
    """
    found = repair.verify(get_engine(), _recomputable(first, last))
    told = f"{found.days} days compared, {found.different} rows differ"
    if found.different:
        raise WatchfleetError(f"{told}:\n  " + "\n  ".join(found.differences))
    click.echo(f"{told}.")


def _recomputable(first: date | None, last: date) -> list[date]:
    with transaction() as connection:
        return repair.recomputable(connection, first or date.min, last)


def _show(rows: Rows, form: str | None, columns: Mapping[str, str]) -> None:
    if form == "json":
        click.echo(json.dumps(list(rows), indent=2))
    elif form == "csv":
        click.echo(as_csv(rows), nl=False)
    elif not rows:
        click.echo("Nothing was reported.")
    else:
        numbers = [head for head, name in columns.items() if _is_number(rows, name)]
        lines = [[_cell(name, row[name]) for name in columns.values()] for row in rows]
        print_table(make_console(), list(columns), lines, right=numbers)


def _is_number(rows: Rows, name: str) -> bool:
    return any(isinstance(row[name], int | float) and not isinstance(row[name], bool) for row in rows)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2%}" if name.endswith(("_rate", "_share")) or "_ratio" in name else f"{value:,.10g}"
    return escape(str(value))
