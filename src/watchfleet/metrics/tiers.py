"""The rollup tiers: how wide their buckets are, which bucket holds an instant, and who works on it.

Instants are Unix microseconds here, as they are in the samples' arrays.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watchfleet.db.partitions import ROLLUPS, SAMPLES, Partitioned
from watchfleet.metrics.accounts import days

MICROSECONDS: Final = 1_000_000
SHARDS: Final = 8
"""Parts of the work that workers can take at the same time; an hour belongs to one of them."""

HOUR: Final = 3600 * MICROSECONDS
DAY: Final = 24 * HOUR
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
LONGEST_SHIFT: Final = 2 * HOUR
"""More than any change of the clocks."""


@dataclass(frozen=True)
class Tier:
    """Rollups of one width.

    Attributes:
        position: Its place, from the finest.
        label: Its width as people write it.
        width: Its width in microseconds.
        table: Where its rows are.
        below: What it is computed from: samples, or the rows of the tier below.
        refresh: How stale the bucket that is still filling may become. A bucket that is over is brought up
            to date by the next tick; recomputing a day on every tick would cost what is old, not what is new.
    """

    position: int
    label: str
    width: int
    table: Partitioned
    below: Partitioned
    refresh: timedelta

    @property
    def source(self) -> Partitioned:
        """Where the rows are that it is computed from."""
        return self.below

    def bucket(self, instant: int) -> int:
        """The start of the bucket that holds `instant`."""
        return instant - instant % self.width

    def end(self, bucket: int) -> int:
        """The end of a bucket, which is the start of the next."""
        return bucket + self.width

    def shard(self, bucket: int) -> int:
        """Whose a bucket is: all tiers of an hour are one worker's, and whole days are spread anew."""
        return (bucket // max(HOUR, self.width)) % SHARDS

    def buckets(self, instants: NDArray[np.int64]) -> NDArray[np.int64]:
        """The starts of the buckets that hold some instants."""
        return instants - instants % self.width


class DayTier(Tier):
    """Rollups of days in the fleet's time zone; a change of the clocks makes one 23 or 25 hours long."""

    @property
    def source(self) -> Partitioned:
        """The rows of hours, or of quarters of them where a day begins within an hour of UTC."""
        return self.below if days.begin_with_hours() else ROLLUPS[1]

    def bucket(self, instant: int) -> int:
        """The start of the bucket that holds `instant`."""
        day = days.day_of(_EPOCH + instant * _MICROSECOND)
        return (days.start_of(day) - _EPOCH) // _MICROSECOND

    def end(self, bucket: int) -> int:
        """The end of a bucket, which is the start of the next."""
        return self.bucket(bucket + self.width + LONGEST_SHIFT)

    def buckets(self, instants: NDArray[np.int64]) -> NDArray[np.int64]:
        """The starts of the buckets that hold some instants."""
        if not len(instants):
            return instants
        starts, last = [self.bucket(int(instants.min()))], int(instants.max())
        while self.end(starts[-1]) <= last:
            starts.append(self.end(starts[-1]))
        return np.array(starts, np.int64)[np.searchsorted(starts, instants, side="right") - 1]


TIERS: Final = (
    Tier(0, "5m", 300 * MICROSECONDS, ROLLUPS[0], SAMPLES, timedelta(0)),
    Tier(1, "15m", 900 * MICROSECONDS, ROLLUPS[1], ROLLUPS[0], timedelta(minutes=1)),
    Tier(2, "1h", HOUR, ROLLUPS[2], ROLLUPS[1], timedelta(minutes=4)),
    DayTier(3, "24h", DAY, ROLLUPS[3], ROLLUPS[2], timedelta(minutes=90)),
)


def above(tier: Tier) -> list[Tier]:
    """The tiers that are computed from this one."""
    return [other for other in TIERS[tier.position + 1 :] if other.source is tier.table]
