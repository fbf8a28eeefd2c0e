"""The figures of circuit breakers as samples, which the rule CircuitOpen reads."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from watchfleet.breaker import statistics
from watchfleet.clock import slot_start
from watchfleet.db.cache import get_cache
from watchfleet.metrics.ingest import write_samples
from watchfleet.settings import get_settings

PERIOD: Final = timedelta(seconds=15)
"""A period has one set of samples, however often it is written."""


def observe(connection: Connection, now: datetime) -> int:
    """Write how breakers stand; returns how many samples that are. Without a Redis there are no breakers.

    Args:
        connection: A transaction.
        now: The present.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    if get_settings().cache_url is None:
        return 0
    cache = get_cache()
    statistics.forget_unused(cache)
    at = now.timestamp()
    samples = [sample for one in statistics.read(cache) for sample in statistics.figures(one, at)]
    if not samples:
        return 0
    batch = f"breakers:{slot_start(now, PERIOD).isoformat()}"
    return write_samples(connection, batch, samples, now).accepted
