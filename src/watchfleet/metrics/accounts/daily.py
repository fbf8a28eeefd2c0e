"""Daily statistics: what each account did on each day, kept by the transaction that stores its events.

Every figure is a count, an exact sum or the newest report, so the result is the same in whatever order
events come, however late, and equals what `recomputed` gives from the events themselves.

A row is for one account in one group: an account that changes its group on a day has two, so that each
group's figures are those of the scrapes made for it. Without a group, the group is empty.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, text

from watchfleet.db.tables import LEVELS
from watchfleet.metrics.accounts import days, levels
from watchfleet.metrics.accounts.levels import REPORTED_BY
from watchfleet.metrics.accounts.tally import Report, tallies

KEY: Final = ("day", "platform", "account", "account_group")
SUMS: Final = {
    "succeeded": "bigint",
    "failed": "bigint",
    "timed": "bigint",
    "duration_seconds": "numeric",
    "content": "numeric",
}
"""The columns that add up, and their types."""

COLUMNS: Final = (*KEY, *SUMS, *levels.COLUMNS)
_TYPES: Final = {
    **dict(zip(KEY, ("date", "text", "text", "text"), strict=True)),
    **SUMS,
    **{name: "timestamptz" if name.endswith("_at") else "float8" for name in levels.COLUMNS},
}
_UPSERT: Final = text(
    f"INSERT INTO daily_stats AS old ({', '.join(COLUMNS)}) SELECT * FROM unnest("  # noqa: S608 - names of ours
    + ", ".join(f"CAST(:{name} AS {_TYPES[name]}[])" for name in COLUMNS)
    + f") ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = old.{name} + excluded.{name}" for name in SUMS)
    + f", {levels.merged()}"
)


def add(connection: Connection, found: Sequence[Report]) -> None:
    """Add events to their days. The partitions of these must be there."""
    by_day = tallies(found, _key)
    rows = [(*key, *tally.sums(), *tally.columns_of_levels()) for key, tally in by_day.items()]
    columns = zip(*rows, strict=True)
    connection.execute(_UPSERT, {name: list(column) for name, column in zip(COLUMNS, columns, strict=True)})


def days_of(found: Iterable[Report]) -> set[date]:
    """The days that some events belong to."""
    return {days.day_of(report.at) for report in found}


def recomputed() -> str:
    """The SQL query for the rows of the day `:day` from the events, which `range_of` bounds."""
    columns = ", ".join(
        f"{pair}[2] AS {level}, {levels.at_of(pair)} AS {level}_at"
        for level, pair in ((level, f"{level}_pair") for level in LEVELS)
    )
    pairs = ", ".join(
        f"{levels.newest_event(level, signal)} AS {level}_pair"
        for signal, reported in REPORTED_BY.items()
        for level in reported
    )
    ended = "signal IN ('account_scraped', 'scrape_failed')"
    return (
        f"SELECT CAST(:day AS date) AS day, platform, account, account_group, {', '.join(SUMS)}, {columns}"  # noqa: S608 - all of it is ours
        " FROM (SELECT platform, account, coalesce(account_group, '') AS account_group,"
        " count(*) FILTER (WHERE signal = 'account_scraped') AS succeeded,"
        " count(*) FILTER (WHERE signal = 'scrape_failed') AS failed,"
        f" count(*) FILTER (WHERE {ended} AND fields ? 'duration') AS timed,"
        f" coalesce(sum(CAST(fields ->> 'duration' AS numeric)) FILTER (WHERE {ended}), 0)"
        " AS duration_seconds,"
        " coalesce(sum(coalesce(CAST(fields ->> 'count' AS numeric), 1))"
        f" FILTER (WHERE signal = 'content_found'), 0) AS content, {pairs}"
        " FROM account_event WHERE ts >= :start AND ts < :end GROUP BY 1, 2, 3) AS found"
    )


def range_of(day: date) -> dict[str, Any]:
    """The parameters of `recomputed`."""
    return {
        "day": day,
        "start": days.start_of(day),
        "end": days.start_of(date.fromordinal(day.toordinal() + 1)),
    }


def _key(report: Report) -> tuple[date, str, str, str]:
    event = report.event
    return days.day_of(report.at), event.platform, event.account, event.group or ""
