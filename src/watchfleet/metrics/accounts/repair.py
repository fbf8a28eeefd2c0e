"""Whether the daily statistics are what the events say, and making them anew from these.

An event and what it adds to its day are one transaction. So in one snapshot the two are equal, whatever is
written meanwhile; and to make a day anew, writers wait for the moment that it takes.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, text

from watchfleet.db import partitions
from watchfleet.metrics.accounts import daily, days
from watchfleet.metrics.counters import Tally

MOST_SHOWN: Final = 100
_VALUES: Final = tuple(name for name in daily.COLUMNS if name not in daily.KEY)
_DIFFERENT: Final = text(
    "SELECT platform, account, account_group, stored.day IS NULL AS missing, fresh.day IS NULL AS extra"  # noqa: S608 - names of ours
    f" FROM (SELECT * FROM daily_stats WHERE day = :day) AS stored FULL JOIN ({daily.recomputed()}) AS fresh"
    " USING (platform, account, account_group)"
    f" WHERE ({', '.join(f'stored.{name}' for name in _VALUES)}) IS DISTINCT FROM"
    f" ({', '.join(f'fresh.{name}' for name in _VALUES)})"
    " ORDER BY platform, account, account_group"
)


@dataclass(slots=True)
class Verified:
    """What a verification saw.

    Attributes:
        days: How many were recomputed.
        different: How many rows differ.
        differences: The first 100 of these, a line each.
    """

    days: int = 0
    different: int = 0
    differences: list[str] = field(default_factory=list)


def recomputable(connection: Connection, first: date, last: date) -> list[date]:
    """The days of a range whose events are still there, ascending."""
    oldest = partitions.since(connection, partitions.EVENTS)
    first = max(first, oldest.date() - timedelta(days=1)) if oldest else last
    asked = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    touched = {day: days.touched(day) for day in asked}
    there = partitions.covered(connection, partitions.EVENTS, set[date]().union(*touched.values()))
    return [day for day in asked if touched[day] <= there]


def verify_some(engine: Engine, now: datetime, rng: random.Random) -> Verified:
    """Verify one of the last eight days, at random."""
    today = days.day_of(now)
    with engine.connect() as connection:
        known = recomputable(connection, today - timedelta(days=7), today)
    return verify(engine, rng.sample(known, min(1, len(known))))


def verify(engine: Engine, chosen: Iterable[date]) -> Verified:
    """Recompute days and compare, each in one snapshot; nobody waits for it."""
    found = Verified()
    for day in chosen:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            lines = list(_differences(connection, day))
        found.days += 1
        found.different += len(lines)
        found.differences += lines[: MOST_SHOWN - len(found.differences)]
    with engine.begin() as connection:
        tally = Tally()
        tally.add("watchfleet_daily_stats_verified_days_total", found.days)
        tally.add("watchfleet_daily_stats_different_rows_total", found.different)
        tally.save(connection)
    return found


def rebuild(engine: Engine, chosen: Sequence[date]) -> Iterator[tuple[date, int]]:
    """Make days anew, each in a transaction of its own.

    Yields:
        Each day and how many rows it has, as it is done.
    """
    partitions.ensure(engine, partitions.DAILY, chosen)
    for day in chosen:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '30s'"))
            # Who has stored events of that day has them in here by then, or has yet to add them.
            connection.execute(text("LOCK TABLE daily_stats IN SHARE ROW EXCLUSIVE MODE"))
            connection.execute(text("DELETE FROM daily_stats WHERE day = :day"), {"day": day})
            done = connection.execute(
                text(f"INSERT INTO daily_stats ({', '.join(daily.COLUMNS)}) {daily.recomputed()}"),
                daily.range_of(day),
            )
        yield day, done.rowcount


def _differences(connection: Connection, day: date) -> Iterator[str]:
    for row in connection.execute(_DIFFERENT, daily.range_of(day)):
        what = "is missing" if row.missing else "should not be there" if row.extra else "differs"
        group = f" ({row.account_group})" if row.account_group else ""
        yield f"{day} {row.platform} {row.account}{group}: the row {what}"
