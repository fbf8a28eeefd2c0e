"""Rollups: every tier equals what its samples would give, whenever and in whatever order they came.

A step of work is an hour of one shard, or a day. Under the shard's lock it takes the marks of the slices
that changed, recomputes these slices from the tier below as if there were nothing yet, puts the result in
the place of what is there, marks the slices above, and commits. A crash at any statement rolls all of that
back, marks included, and the next step does it again. Two workers never hold one shard; without the lock an
older step could overwrite a newer one's rows.

It costs what is new: slices that nothing touched are never read, and of a tier above 5 minutes the bucket
that is still filling is brought up to date less often than the finer tiers that already show it.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Engine, text

from watchfleet.db import partitions
from watchfleet.db.locks import Lock, try_lock
from watchfleet.metrics import aggregate, counters, marks, rollup_rows
from watchfleet.metrics.aggregate import Buckets
from watchfleet.metrics.marks import Taken, instant
from watchfleet.metrics.rollup_rows import Extent
from watchfleet.metrics.tiers import HOUR, TIERS, Tier

log = logging.getLogger(__name__)

SECONDS: Final = 25.0
"""How long one call of `drain` goes on beginning steps."""

MOST_SAMPLES: Final = 500_000
"""How many samples are computed with at once, give or take one slice's."""

_TICKED: Final = text(
    "INSERT INTO rollup_shard (shard, ticked_at) VALUES (:shard, :now)"
    " ON CONFLICT (shard) DO UPDATE SET ticked_at = excluded.ticked_at"
)
_WORK_MEM: Final = text("SET LOCAL work_mem = '64MB'")


@dataclass(frozen=True, slots=True)
class Advanced:
    """What was brought up to date.

    Attributes:
        steps: Transactions that found work.
        slices: Slices that were recomputed, of any tier.
        rows: Rows that were written.
    """

    steps: int = 0
    slices: int = 0
    rows: int = 0

    def __add__(self, other: "Advanced") -> "Advanced":
        return Advanced(self.steps + other.steps, self.slices + other.slices, self.rows + other.rows)


def advance(connection: Connection, now: datetime) -> Advanced:
    """Do one step of what is due, in the caller's transaction, which should end right after.

    Any number of processes may do so at the same time: each takes a shard that no other holds.

    Returns:
        What was done; no step when nothing is due, or others are at it.
    """
    for shard, tier, oldest in marks.due(connection, now):
        if try_lock(connection, Lock.ROLLUP, shard):
            done = _step(connection, tier, oldest, now)
            connection.execute(_TICKED, {"shard": shard, "now": now})
            return done
    return Advanced()


def drain(engine: Engine, now: datetime, seconds: float = SECONDS) -> Advanced:
    """Do steps, each in a transaction of its own, until nothing is due or the time is over."""
    end, total = time.monotonic() + seconds, Advanced()
    with engine.begin() as connection:
        counters.fold(connection)
    while time.monotonic() < end:
        with engine.begin() as connection:
            done = advance(connection, now)
        if not done.steps:
            break
        total += done
    return total


def _step(connection: Connection, tier: Tier, oldest: int, now: datetime) -> Advanced:
    connection.execute(_WORK_MEM)
    done = Advanced(steps=1)
    if tier.width > HOUR:
        return done + _run(connection, tier, oldest, tier.end(oldest), now)
    start = oldest - oldest % HOUR
    for each in TIERS:
        if each.width <= HOUR:
            done += _run(connection, each, start, start + HOUR, now)
    return done


def _run(connection: Connection, tier: Tier, start: int, end: int, now: datetime) -> Advanced:
    """Bring the slices of one tier up to date that are due and begin within a range."""
    taken = marks.take(connection, tier, start, end, now)
    if not taken or not _has_source(connection, tier, start):
        return Advanced()
    partitions.ensure(connection.engine, tier.table, {instant(start).date()})
    rows = 0
    for extent in _extents(tier, taken):
        for part, buckets in computed(connection, tier, extent):
            rollup_rows.replace(connection, tier, part, buckets)
            rows += len(buckets)
    marks.put_above(connection, tier, taken, now)
    return Advanced(slices=len(taken), rows=rows)


def _has_source(connection: Connection, tier: Tier, start: int) -> bool:
    """Whether the rows to compute from are still there; rollups of what was dropped stay as they are."""
    day = instant(start).date()
    if partitions.covered(connection, tier.source, {day}):
        return True
    log.warning(
        "%s of %s: %s has no partition for that day; left as it is", tier.label, day, tier.source.table
    )
    return False


def _extents(tier: Tier, taken: Taken) -> Iterator[Extent]:
    """What to recompute: runs of neighbouring slices for all series, and the few series of the others."""
    whole = np.array(taken.whole, np.int64)
    for run in np.split(whole, np.flatnonzero(np.diff(whole) != tier.width) + 1):
        if len(run):
            yield Extent(int(run[0]), tier.end(int(run[-1])))
    if taken.partial:
        series = sorted(set[int]().union(*taken.partial.values()))
        yield Extent(min(taken.partial), tier.end(max(taken.partial)), series)


def computed(connection: Connection, tier: Tier, extent: Extent) -> Iterator[tuple[Extent, Buckets]]:
    """The rows of an extent as they should be, in parts that fit into memory."""
    if tier.source is not partitions.SAMPLES:
        children = rollup_rows.read(connection, tier.source.table, extent)
        yield extent, aggregate.merge(children, tier.buckets)
        return
    start, read = extent.start, [rollup_rows.no_samples()]
    for slice_ in range(extent.start, extent.end, tier.width):
        read.append(
            rollup_rows.read_samples(connection, replace(extent, start=slice_, end=slice_ + tier.width))
        )
        end = slice_ + tier.width
        if end == extent.end or sum(len(part["ts"]) for part in read) >= MOST_SAMPLES:
            yield replace(extent, start=start, end=end), _rolled_up(connection, tier, read)
            start, read = end, [rollup_rows.no_samples()]


def _rolled_up(connection: Connection, tier: Tier, read: list[dict[str, Any]]) -> Buckets:
    series, ts, value = (
        np.concatenate([part[name] for part in read]) for name in ("series_id", "ts", "value")
    )
    return aggregate.of_samples(series, ts, value, tier.width, rollup_rows.counters(connection, series))
