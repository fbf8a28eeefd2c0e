"""Partitions by time: made ahead of need, or at need, and dropped when their retention is over.

A partition covers a UTC day in the tiers that are written by the minute and forgotten within weeks; a
month or a year in the coarse tiers, where a day holds so little that hundreds of daily partitions would
cost every query's planning more than they save. Its name tells its table and its first day:
`samples_p20261123`.

A new partition is made as a table of its own and then attached: that takes SHARE UPDATE EXCLUSIVE on the
parent, which neither readers nor writers wait for, whereas CREATE TABLE ... PARTITION OF would stop both.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from watchfleet.db.locks import Lock, wait_lock
from watchfleet.settings import get_settings

log = logging.getLogger(__name__)

AHEAD: Final = timedelta(days=7)
GRACE: Final = timedelta(hours=1)
"""A partition outlives its retention by this, so that no transaction still writes what is being dropped."""

_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '10s'"
_DETACH_TIMEOUT: Final = "SET lock_timeout = '10s'"


class Span(Enum):
    """How much time one partition covers."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"

    def start(self, day: date) -> date:
        """The first day of the partition that holds `day`."""
        if self is Span.DAY:
            return day
        return day.replace(day=1) if self is Span.MONTH else day.replace(month=1, day=1)

    def end(self, start: date) -> date:
        """The first day of the next partition."""
        return self.start(start + timedelta(days={Span.DAY: 1, Span.MONTH: 31, Span.YEAR: 366}[self]))


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table in partitions.

    Attributes:
        table: Its name.
        span: How much time a partition covers.
        tier: The position of the rollup tier that is computed from this table, whose marks hold a partition
            back; None if none is.
        setting: The setting that tells how long rows are kept.
    """

    table: str
    span: Span
    tier: int | None
    setting: str

    @property
    def retention(self) -> timedelta | None:
        """How long rows are kept; None for always."""
        kept: timedelta | None = getattr(get_settings(), self.setting)
        return kept

    def name(self, day: date) -> str:
        """The name of the partition that holds `day`."""
        return f"{self.table}_p{self.span.start(day):%Y%m%d}"


SAMPLES: Final = Partitioned("samples", Span.DAY, 0, "retention_raw")
ROLLUPS: Final = (
    Partitioned("rollup_5m", Span.DAY, 1, "retention_5m"),
    Partitioned("rollup_15m", Span.MONTH, 2, "retention_15m"),
    Partitioned("rollup_1h", Span.MONTH, 3, "retention_1h"),
    Partitioned("rollup_24h", Span.YEAR, None, "retention_24h"),
)
EVENTS: Final = Partitioned("account_event", Span.DAY, None, "retention_events")
ACTIVITY: Final = Partitioned("activity", Span.DAY, None, "retention_trace")
DAILY: Final = Partitioned("daily_stats", Span.MONTH, None, "retention_daily")
ALL: Final = (SAMPLES, EVENTS, ACTIVITY, DAILY, *ROLLUPS)

_known: "WeakKeyDictionary[Engine, set[str]]" = WeakKeyDictionary()


@dataclass(slots=True)
class Kept:
    """What a round of upkeep did, as names of partitions.

    Attributes:
        made: Made ahead.
        dropped: Dropped, their retention being over.
        held: Due to be dropped, and not dropped: not rolled up yet, or in use.
    """

    made: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


def ensure(engine: Engine, parent: Partitioned, days: Iterable[date]) -> list[str]:
    """Make the partitions that hold `days` and do not exist, in a transaction of its own.

    Which partitions exist is remembered, so that this costs nothing when there is nothing to make. It
    holds no lock that a caller's open transaction could wait for.

    Returns:
        The names of the partitions that were made.
    """
    starts = {parent.name(day): parent.span.start(day) for day in days}
    known = _known.setdefault(engine, set())
    if starts.keys() <= known:
        return []
    with engine.begin() as connection:
        connection.execute(text(_LOCK_TIMEOUT))
        made = _make_missing(connection, parent, starts)
    known.update(starts)
    return made


def forget(engine: Engine) -> None:
    """Forget which partitions exist, after one turned out to be missing."""
    _known.pop(engine, None)


def keep(engine: Engine, now: datetime) -> Kept:
    """Make the partitions of the coming week and drop those whose retention is over.

    A partition that cannot be dropped now, because someone reads it, is left for the next round.
    """
    kept, today = Kept(), now.astimezone(UTC).date()
    forget(engine)  # what was dropped by hand is made again
    for parent in ALL:
        week = [today + timedelta(days=n) for n in range(AHEAD.days + 1)]
        kept.made += ensure(engine, parent, week)
        for name in _interrupted(engine, parent):
            (kept.dropped if _drop(engine, parent, name, "FINALIZE") else kept.held).append(name)
        for name in expired(engine, parent, now):
            (kept.dropped if _drop(engine, parent, name, "CONCURRENTLY") else kept.held).append(name)
    return kept


def expired(engine: Engine, parent: Partitioned, now: datetime) -> list[str]:
    """The partitions whose retention is over, oldest first."""
    if parent.retention is None:
        return []
    horizon = now - parent.retention - GRACE
    with engine.begin() as connection:
        names = sorted(children(connection, parent.table))
    return [name for name in names if (span := bounds(parent, name)) and span[1] <= horizon]


def bounds(parent: Partitioned, name: str) -> tuple[datetime, datetime] | None:
    """The time that a partition covers, from inclusive, to exclusive; None if it is not named as ours."""
    found = re.fullmatch(rf"{parent.table}_p(\d{{8}})", name)
    if not found:
        return None
    start = datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC)
    return start, _midnight(parent.span.end(start.date()))


def covered(connection: Connection, parent: Partitioned, days: Iterable[date]) -> set[date]:
    """Those of `days` whose partition exists."""
    names = children(connection, parent.table)
    return {day for day in days if parent.name(day) in names}


def since(connection: Connection, parent: Partitioned) -> datetime | None:
    """The start of the first partition that there is; None if there is none."""
    spans = (bounds(parent, name) for name in children(connection, parent.table))
    return min((span[0] for span in spans if span), default=None)


def summarize(engine: Engine, now: datetime) -> None:
    """Bring the block range indexes of the newest partitions up to date, where autovacuum has not yet."""
    day = now.astimezone(UTC).date()
    names = [parent.name(day - timedelta(days=back)) for parent in ALL for back in (0, 1)]
    with autocommit(engine) as connection:
        connection.execute(
            text(
                "SELECT brin_summarize_new_values(index.oid) FROM pg_class AS index"
                " JOIN pg_am ON pg_am.oid = index.relam AND amname = 'brin'"
                " JOIN pg_index ON indexrelid = index.oid JOIN pg_class AS part ON part.oid = indrelid"
                " WHERE part.relname = ANY(:names) AND part.relispartition"
            ),
            {"names": names},
        )


def _make_missing(connection: Connection, parent: Partitioned, starts: dict[str, date]) -> list[str]:
    if starts.keys() <= children(connection, parent.table):
        return []
    wait_lock(connection, Lock.PARTITIONS)
    missing = sorted(starts.keys() - children(connection, parent.table))
    for name in missing:
        start, end = _midnight(starts[name]), _midnight(parent.span.end(starts[name]))
        # A table of that name that is no partition was detached and not dropped: its rows are good.
        connection.execute(text(f"CREATE TABLE IF NOT EXISTS {name} (LIKE {parent.table} INCLUDING ALL)"))
        attach = f"ALTER TABLE {parent.table} ATTACH PARTITION {name}"
        connection.execute(text(f"{attach} FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"))
    return missing


def children(connection: Connection, table: str) -> set[str]:
    """The names of a table's partitions."""
    return set(
        connection.scalars(
            text(
                "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
                " WHERE inhparent = CAST(:table AS regclass) AND NOT inhdetachpending"
            ),
            {"table": table},
        )
    )


def _drop(engine: Engine, parent: Partitioned, name: str, how: str) -> bool:
    try:
        with autocommit(engine) as connection:
            if _is_marked(connection, parent, name):
                log.warning("%s is past its retention and kept: it is not rolled up yet", name)
                return False
            connection.execute(text(f"ALTER TABLE {parent.table} DETACH PARTITION {name} {how}"))
            connection.execute(text(f"DROP TABLE {name}"))
    except DBAPIError as error:
        log.warning("%s is past its retention and could not be dropped yet: %s", name, error.orig)
        return False
    return True


def _is_marked(connection: Connection, parent: Partitioned, name: str) -> bool:
    span = bounds(parent, name)
    if span is None:
        return True
    query = text("SELECT EXISTS (SELECT FROM dirty_slice WHERE tier = :tier AND slice >= :a AND slice < :b)")
    # A slice of 24 hours in another time zone may begin a day before the partition does.
    values = {"tier": parent.tier, "a": span[0] - timedelta(days=1), "b": span[1]}
    return bool(connection.scalar(query, values))


def _interrupted(engine: Engine, parent: Partitioned) -> list[str]:
    """The partition whose detaching began and was interrupted, if there is one; no other can be detached."""
    query = text(
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        " WHERE inhparent = CAST(:table AS regclass) AND inhdetachpending"
    )
    with engine.begin() as connection:
        return list(connection.scalars(query, {"table": parent.table}))


@contextmanager
def autocommit(engine: Engine) -> Iterator[Connection]:
    """A connection whose statements each commit, as DETACH ... CONCURRENTLY demands."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(_DETACH_TIMEOUT))
        try:
            yield connection
        finally:
            connection.execute(text("RESET lock_timeout"))
            connection.execute(text("RESET statement_timeout"))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
