"""The rollup tiers: how wide their buckets are, which bucket holds an instant, and who works on it.

Instants are Unix microseconds here, as they are in the samples' arrays.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watchfleet.db.partitions import ROLLUPS, SAMPLES, Partitioned

MICROSECONDS: Final = 1_000_000
SHARDS: Final = 8
"""Parts of the work that workers can take at the same time; an hour belongs to one of them."""

HOUR: Final = 3600 * MICROSECONDS
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Tier:
    """Rollups of one width.

    Attributes:
        position: Its place, from the finest.
        label: Its width as people write it.
        width: Its width in microseconds.
        table: Where its rows are.
        source: Where the rows are that it is computed from: samples, or the rows of the tier below.
        refresh: How stale the bucket that is still filling may become. A bucket that is over is brought up
            to date by the next tick; recomputing a day on every tick would cost what is old, not what is new.
    """

    position: int
    label: str
    width: int
    table: Partitioned
    source: Partitioned
    refresh: timedelta

    def bucket(self, instant: int) -> int:
        """The start of the bucket that holds `instant`."""
        return instant - instant % self.width

    def shard(self, bucket: int) -> int:
        """Whose a bucket is: all tiers of an hour are one worker's, and whole days are spread anew."""
        return (bucket // max(HOUR, self.width)) % SHARDS

    def buckets(self, instants: NDArray[np.int64]) -> NDArray[np.int64]:
        """The starts of the buckets that hold some instants."""
        return instants - instants % self.width


TIERS: Final = (
    Tier(0, "5m", 300 * MICROSECONDS, ROLLUPS[0], SAMPLES, timedelta(0)),
    Tier(1, "15m", 900 * MICROSECONDS, ROLLUPS[1], ROLLUPS[0], timedelta(minutes=1)),
    Tier(2, "1h", HOUR, ROLLUPS[2], ROLLUPS[1], timedelta(minutes=4)),
    Tier(3, "24h", DAY, ROLLUPS[3], ROLLUPS[2], timedelta(minutes=90)),
)


def above(tier: Tier) -> Tier | None:
    """The tier that is computed from this one."""
    return TIERS[tier.position + 1] if tier.position + 1 < len(TIERS) else None
