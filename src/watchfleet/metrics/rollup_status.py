"""How far the rollups are, and having them made anew."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from sqlalchemy import Connection, text

from watchfleet.metrics import marks
from watchfleet.metrics.tiers import SHARDS, TIERS

MOST_SLICES: Final = 200_000
"""How many slices a rebuild marks at most: almost two years."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one tier of one shard.

    Attributes:
        shard: The shard.
        tier: The tier's label.
        slices: Slices that changed and are not recomputed yet.
        oldest: The start of the first of them.
        due_since: When the first of those was marked that the next tick takes; None if none is due yet, as
            the buckets are still filling.
    """

    shard: int
    tier: str
    slices: int
    oldest: datetime
    due_since: datetime | None

    def lag(self, now: datetime) -> float:
        """For how many seconds the first has been due."""
        return 0.0 if self.due_since is None else max(0.0, (now - self.due_since).total_seconds())


def waiting(connection: Connection, now: datetime) -> list[Waiting]:
    """What waits, by shard and tier."""
    condition, values = marks.due_condition(now)
    rows = connection.execute(
        text(
            "SELECT shard, tier, count(DISTINCT slice) AS slices, min(slice) AS oldest,"  # noqa: S608 - ours
            f" min(marked_at) FILTER (WHERE {condition}) AS due_since"
            " FROM dirty_slice GROUP BY shard, tier ORDER BY shard, tier"
        ),
        values,
    )
    return [Waiting(r.shard, TIERS[r.tier].label, r.slices, r.oldest, r.due_since) for r in rows]


def last_ticks(connection: Connection) -> dict[int, datetime | None]:
    """When each shard's marks were last worked on; None if they never were."""
    rows = connection.execute(text("SELECT shard, ticked_at FROM rollup_shard"))
    known = {row.shard: row.ticked_at for row in rows}
    return {shard: known.get(shard) for shard in range(SHARDS)}


def mark_all(connection: Connection, start: datetime, end: datetime, now: datetime) -> int:
    """Mark every slice of the finest tier in a range, so that all tiers are made anew from the samples.

    Slices whose samples are gone stay as they are. The marks are in the store: whatever ends the work on
    them, the next tick goes on with it.

    Returns:
        How many slices were marked.

    Raises:
        ValueError: The range is empty or holds more than 200,000 slices.
    """
    tier = TIERS[0]
    first, last = tier.bucket(marks.microseconds(start)), marks.microseconds(end)
    slices = np.arange(first, last, tier.width)
    if not 0 < len(slices) <= MOST_SLICES:
        raise ValueError(f"{len(slices)} slices of 5 minutes; a rebuild takes 1 to {MOST_SLICES}")
    marks.put(connection, tier, slices, np.zeros(len(slices), np.int64), now)
    return len(slices)


def left(connection: Connection, now: datetime) -> int:
    """How many slices are due, in all tiers."""
    condition, values = marks.due_condition(now)
    query = f"SELECT count(DISTINCT (tier, slice)) FROM dirty_slice WHERE {condition}"  # noqa: S608 - ours
    return int(connection.scalar(text(query), values) or 0)
