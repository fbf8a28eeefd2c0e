"""The circuit breakers of destinations, as those of applications are told of; and all of them together."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Row, select

from watchfleet.breaker import statistics
from watchfleet.breaker.registry import User
from watchfleet.breaker.states import State
from watchfleet.breaker.statistics import Statistics
from watchfleet.clock import slot_start
from watchfleet.db.cache import get_cache
from watchfleet.db.tables import notify_gate
from watchfleet.metrics.ingest import write_samples
from watchfleet.notify import gates
from watchfleet.notify.gate import FORCED, TRIPPED, force, release
from watchfleet.settings import get_settings

PREFIX: Final = "channel:"
"""What the names of these begin with."""
PERIOD: Final = timedelta(seconds=15)
"""A period has one set of samples, however often it is written."""


def read(connection: Connection, now: datetime) -> list[Statistics]:
    """The breaker of every destination that was sent to, by name.

    Args:
        connection: A transaction.
        now: The present.
    """
    columns = (notify_gate.c.channel, notify_gate.c.receiver, notify_gate.c.position)
    return [_statistics(row, now) for row in connection.execute(select(notify_gate).order_by(*columns))]


def decide(connection: Connection, name: str, state: State, now: datetime) -> State | None:
    """Force a destination's breaker open, or close it; returns its state before, None if there is none such.

    What waits for a destination that is forced open is sent after the reset, or given up as that of one that
    fails.

    Args:
        connection: A transaction.
        name: The breaker's.
        state: FORCED_OPEN or CLOSED.
        now: The present.
    """
    row = next((one for one in connection.execute(select(notify_gate)) if _name(one) == name), None)
    if row is None:
        return None
    key = (row.channel, row.receiver, row.position)
    before = gates.lock(connection, [key], now)
    after = force(before[key], now) if state is State.FORCED_OPEN else release(before[key])
    gates.save(connection, before, {key: after})
    return _state(row, now)


def observe(connection: Connection, now: datetime) -> int:
    """Write how breakers stand; returns how many samples that are.

    Those that only probes tell are left out: the metrics of probes say the same, and the rules read those.

    Args:
        connection: A transaction.
        now: The present.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    at = now.timestamp()
    found = [*_shared(), *read(connection, now)]
    samples = [sample for one in found for sample in statistics.figures(one, at)]
    if not samples:
        return 0
    batch = f"breakers:{slot_start(now, PERIOD).isoformat()}"
    return write_samples(connection, batch, samples, now).accepted


def _shared() -> list[Statistics]:
    if get_settings().cache_url is None:
        return []
    cache = get_cache()
    statistics.forget_unused(cache)
    return [one for one in statistics.read(cache) if one.user is not User.PROBE]


def _statistics(row: "Row[tuple[object, ...]]", now: datetime) -> Statistics:
    state = _state(row, now)
    wait = None if state is not State.OPEN else max(0.0, (row.open_until - now).total_seconds())
    since = row.failing_since.astimezone(UTC).timestamp() if row.failing_since else None
    return Statistics(
        _name(row), User.CHANNEL, state, since, wait, (0, row.failures, 0, 0), TRIPPED, {}, {}, 0
    )


def _state(row: "Row[tuple[object, ...]]", now: datetime) -> State:
    if row.open_until == FORCED:
        return State.FORCED_OPEN
    if row.open_until is not None and row.open_until > now:
        return State.OPEN
    return State.HALF_OPEN if row.failures >= TRIPPED else State.CLOSED


def _name(row: "Row[tuple[object, ...]]") -> str:
    """Such as `channel:slack/ops`; a receiver's second destination of a channel has a number, too."""
    name = f"{PREFIX}{row.channel}/{row.receiver}"
    return f"{name}/{row.position}" if row.position else name
