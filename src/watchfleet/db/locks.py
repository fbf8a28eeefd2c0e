"""Advisory locks: who may do a thing that only one may do at a time."""

from collections.abc import Collection
from enum import IntEnum
from typing import Final

from sqlalchemy import Connection, func, select, text

_FREE: Final = text(
    "SELECT shard FROM unnest(CAST(:shards AS int[])) AS shard WHERE pg_try_advisory_xact_lock(:lock, shard)"
)


class Lock(IntEnum):
    """The first key of every advisory lock that we take; the second is the shard, or 0."""

    BEAT = 815_001
    ROLLUP = 815_002
    RULES = 815_003
    PARTITIONS = 815_004
    MIGRATE = 815_005
    METRICS = 815_006
    COUNTERS = 815_007
    DEDUPLICATE = 815_008
    PLATFORMS = 815_009
    SNAPSHOTS = 815_010


def try_lock(connection: Connection, lock: Lock, shard: int = 0) -> bool:
    """Take a lock until the transaction ends, or return False at once."""
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(int(lock), shard))))


def try_locks(connection: Connection, lock: Lock, shards: Collection[int]) -> list[int]:
    """Take as many of some shards' locks as are free, until the transaction ends; returns these shards."""
    return list(connection.scalars(_FREE, {"lock": int(lock), "shards": list(shards)}))


def wait_lock(connection: Connection, lock: Lock, shard: int = 0) -> None:
    """Take a lock until the transaction ends, waiting for it as long as the statement timeout allows."""
    connection.execute(select(func.pg_advisory_xact_lock(int(lock), shard)))
