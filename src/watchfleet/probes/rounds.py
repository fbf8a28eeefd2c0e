"""A tick's work and a batch's work, each one call for a task."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillWaitingError
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import monotonic, time
from typing import Final

from redis import RedisError
from sqlalchemy.exc import DBAPIError

from watchfleet.db.cache import get_cache
from watchfleet.db.engine import is_outage, transaction
from watchfleet.errors import ConfigError, StoreUnavailableError
from watchfleet.probes import health
from watchfleet.probes.batch import run_batch
from watchfleet.probes.breakers import Breakers
from watchfleet.probes.dispatch import dispatch
from watchfleet.probes.probe import Target, maintained
from watchfleet.probes.record import Found, Recorded, batch_id
from watchfleet.probes.recorder import Recorder
from watchfleet.probes.targets import Targets, get_targets
from watchfleet.redact import redact

logger = logging.getLogger(__name__)

PATIENCE: Final = 5.0
"""Seconds that a batch's task waits for the store; the results get there later all the same."""

_breakers = Breakers()
_ticking = Lock()
_last_tick = monotonic()


@dataclass(frozen=True, slots=True)
class Due:
    """A batch to send out.

    Attributes:
        names: Its targets.
        slot: The time of its tick: a part of the batch's identity.
        expires: Seconds after which its targets are due anew.
        place: From which place they are checked; empty for that of the fleet.
        due_at: When the first of them was due, in Unix seconds.
    """

    names: list[str]
    slot: str
    expires: float
    place: str
    due_at: float


def tick(recorder: Recorder, now: datetime) -> list[Due]:
    """The batches that are due; none while the store is away, or an earlier tick still hangs in it."""
    if recorder.holds_back() or not _ticking.acquire(blocking=False):
        return []
    try:
        return _claim(get_targets(), now)
    except (StoreUnavailableError, DBAPIError) as error:
        if not is_outage(error):
            raise
        logger.warning("no tick, the store is away: %s", redact(str(error)))
        return []
    finally:
        _ticking.release()


def seconds_since_tick() -> float:
    """How long ago this process last claimed what is due; since its start, if never."""
    return monotonic() - _last_tick


def carry_out(
    names: Sequence[str], slot: str, recorder: Recorder, place: str = "", due_at: float | None = None
) -> Recorded | None:
    """Check the targets of one batch; returns what changed, or None if the store did not take it in time.

    The results reach the cache while the store is away, and the store while the cache is.

    Args:
        names: The targets.
        slot: The time of the tick that sent them out.
        recorder: Writes the results.
        place: From which place they are checked.
        due_at: When the first of them was due, in Unix seconds.
    """
    by_name = get_targets().by_name
    lag = None if due_at is None else max(0.0, time() - due_at)
    waiting = probe([by_name[name] for name in names if name in by_name], slot, recorder, place, lag)
    try:
        recorded = waiting.result(PATIENCE)
    except StillWaitingError:
        return None
    show(recorded.concluded)
    return recorded


def probe(
    targets: Sequence[Target], slot: str, recorder: Recorder, place: str = "", lag: float | None = None
) -> "Future[Recorded]":
    """Check targets, and make known what was found: in the cache at once, in the store when it can be."""
    by_name = {target.name: target for target in targets}
    results = [(by_name[one.target], one) for one in run_batch(targets)]
    found = [Found(target, maintained(target, result), place) for target, result in results]
    if not place:
        show(found)
    return recorder.put(batch_id(slot, list(by_name), place), found, lag)


def show(found: Sequence[Found]) -> None:
    """Put results into the shared cache and tell the targets' breakers, if the cache is there."""
    checks = {one.target.name: health.check_of(one.target, one.result) for one in found}
    try:
        health.write(get_cache(), checks)
        _breakers.tell(get_cache(), [(one.target, one.result) for one in found])
    except (RedisError, ConfigError) as error:
        logger.warning("the cache did not take the results: %s", redact(str(error)))


def _claim(targets: Targets, now: datetime) -> list[Due]:
    global _last_tick  # noqa: PLW0603 - one clock a process
    with transaction() as connection:
        dispatched = dispatch(connection, targets, now)
    _last_tick = monotonic()
    if dispatched.synced:
        _forget_others(targets)
    if dispatched.concluded:
        show(dispatched.concluded)
    slot = f"{now.timestamp():.3f}"
    return [
        Due(
            names,
            slot,
            min(targets.by_name[name].interval.total_seconds() for name in names),
            place,
            due_at.timestamp(),
        )
        for names, place, due_at in dispatched.batches
    ]


def _forget_others(targets: Targets) -> None:
    try:
        health.forget_others(get_cache(), targets.by_name)
    except (RedisError, ConfigError) as error:
        logger.warning("the cache still shows targets of before: %s", redact(str(error)))
