"""Evaluate the groups that are due, each by one evaluator at a time and some in one transaction."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from psycopg2 import Error as DriverError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from watchfleet.clock import slot_start
from watchfleet.db.engine import transaction
from watchfleet.db.locks import Lock, try_lock, try_locks
from watchfleet.notify.policy import Policy
from watchfleet.redact import redact
from watchfleet.rules import group_state, store
from watchfleet.rules.bell import flagged, take_down
from watchfleet.rules.group import AT_ONCE, Due, Evaluation
from watchfleet.rules.group_state import GroupState
from watchfleet.rules.library import Library
from watchfleet.rules.overrides import overrides
from watchfleet.rules.plan import by_identity, changes
from watchfleet.rules.prepared import PreparedGroup
from watchfleet.rules.raised import RAISED, evaluate_raised
from watchfleet.rules.state import Condition
from watchfleet.rules.store import Decided
from watchfleet.rules.telling import Told, tell
from watchfleet.rules.together import evaluate_groups
from watchfleet.rules.verdict import silenced

logger = logging.getLogger(__name__)

REST: Final = timedelta(milliseconds=50)
"""The shortest time from one evaluation of a group to the next one for new data."""
SHARE: Final = 2
"""How many times longer than an evaluation takes that is, at least."""
PATIENCE: Final = timedelta(milliseconds=500)
"""How long an evaluation for new data waits for the rest of its group to be over."""
TOGETHER: Final = 400
"""How many rules are evaluated in one transaction: more save little, and what goes wrong costs more anew."""


def due(groups: Iterable[PreparedGroup], evaluated: dict[str, datetime], now: datetime) -> Iterator[Due]:
    """The groups whose next time has come, each at the last such time; those before are let pass.

    Args:
        groups: All groups.
        evaluated: When each was evaluated last, by its key.
        now: The present.
    """
    for group in groups:
        at = slot_start(now, group.interval)
        last = evaluated.get(group.key)
        if last is None:
            yield Due(group, at)
        elif at > last:
            yield Due(group, at, skipped_between(last, at, group.interval))


def skipped_between(last: datetime, at: datetime, interval: timedelta) -> int:
    """How many times of a grid lie between an evaluation and the time on the grid of the next one."""
    return max(0, (at - slot_start(last, interval)) // interval - 1)


def evaluate_due(
    library: Library,
    now: datetime,
    policy: Policy,
    wake: Callable[[Sequence[str]], None],
) -> list[Evaluation]:
    """Evaluate every group that is due; returns what was done.

    Args:
        library: The rules.
        now: The present.
        policy: Who is told of what.
        wake: Called after each commit with the channels that have something to send.
    """
    with transaction() as connection:
        groups = library.prepared(overrides(connection))
        last = group_state.evaluated(connection)
    done = [
        *_apart(library, groups, now, policy, wake),
        *_in_rounds(library, due(groups, last, now), policy, wake),
    ]
    fresh = flagged([group.key for group in groups if group.on_data])
    return [*done, *(evaluate_named(library, fresh, now, policy, wake) if fresh else ())]


def evaluate_named(
    library: Library,
    keys: Collection[str],
    now: datetime,
    policy: Policy,
    wake: Callable[[Sequence[str]], None],
) -> list[Evaluation]:
    """Evaluate some groups at once, as they have new data; see `evaluate_due`.

    One that has just been evaluated rests for a moment first. If that would be long, what arrived for it
    stays noted, for the next `evaluate_due`.
    """
    with transaction() as connection:
        groups = [group for group in library.prepared(overrides(connection)) if group.key in keys]
        states = group_state.load_some(connection, keys)
    rests = {group.key: rest(states.get(group.key, GroupState()), now, group.interval) for group in groups}
    ready = [group for group in groups if rests[group.key] <= PATIENCE]
    pause = max((rests[group.key] for group in ready), default=timedelta(0))
    time.sleep(pause.total_seconds())
    for group in ready:
        take_down(group.key)
    return _in_rounds(library, [Due(group, now + pause) for group in ready], policy, wake)


def _apart(
    library: Library,
    groups: Sequence[PreparedGroup],
    now: datetime,
    policy: Policy,
    wake: Callable[[Sequence[str]], None],
) -> list[Evaluation]:
    """What belongs to no group: alerts of groups that are no more, and those that applications raised."""

    def work(connection: Connection) -> list[Evaluation]:
        if not try_lock(connection, Lock.RULES, lock_shard(RAISED)):
            return []
        return [retire(connection, library, groups, now, policy), evaluate_raised(connection, policy, now)]

    return _committed([RAISED], work, wake) or []


def retire(
    connection: Connection,
    library: Library,
    groups: Sequence[PreparedGroup],
    now: datetime,
    policy: Policy,
) -> Evaluation:
    """End the alerts of groups that are no more, but not for a fault in a file."""
    gone = store.active_elsewhere(connection, [RAISED, *(group.key for group in groups)])
    active = store.active(connection, gone)
    decided = [
        Decided(rule, key, change)
        for key in gone
        if not library.is_doubtful(key)
        for rule, known in active.get(key, {}).items()
        for change in changes(AT_ONCE, known, by_identity(silenced(known, Condition.GONE)), now)
    ]
    saved = store.save(connection, decided)
    wake = tell(connection, policy, [Told(one) for one in saved], now)
    return Evaluation(tuple(one.decided.change for one in saved), wake)


def lock_shard(key: str) -> int:
    """The second key of a group's advisory lock."""
    return int.from_bytes(blake2b(key.encode(), digest_size=4).digest(), signed=True)


def rest(state: GroupState, now: datetime, interval: timedelta) -> timedelta:
    """How long a group is not evaluated for new data yet, so that it takes a bounded share of the time."""
    if state.evaluated_at is None:
        return timedelta(0)
    pause = min(interval, max(REST, timedelta(seconds=state.seconds * SHARE)))
    return max(timedelta(0), state.evaluated_at + pause - now)


def _in_rounds(
    library: Library,
    waiting: Iterable[Due],
    policy: Policy,
    wake: Callable[[Sequence[str]], None],
) -> list[Evaluation]:
    marked = [replace(one, is_doubtful=library.is_doubtful(one.group.key)) for one in waiting]
    return [done for some in _rounds(marked) for done in _round(some, policy, wake)]


def _rounds(due: Iterable[Due]) -> Iterator[list[Due]]:
    """Groups in their order, as many at once as have `TOGETHER` rules; a larger group by itself."""
    some: list[Due] = []
    for one in due:
        if some and sum(len(each.group.rules) for each in [*some, one]) > TOGETHER:
            yield some
            some = []
        some.append(one)
    if some:
        yield some


def _round(due: Sequence[Due], policy: Policy, wake: Callable[[Sequence[str]], None]) -> list[Evaluation]:
    """Evaluate those of some groups that no other evaluator is at; if that fails, each by itself."""

    def work(connection: Connection) -> list[Evaluation]:
        shards = {one.group.key: lock_shard(one.group.key) for one in due}
        held = set(try_locks(connection, Lock.RULES, list(shards.values())))
        free = [one for one in due if shards[one.group.key] in held]
        return list(evaluate_groups(connection, free, policy).values()) if free else []

    done = _committed([one.group.key for one in due], work, wake)
    if done is None and len(due) > 1:
        return [each for one in due for each in _round([one], policy, wake)]
    return done or []


def _committed(
    keys: Sequence[str],
    work: Callable[[Connection], list[Evaluation]],
    wake: Callable[[Sequence[str]], None],
) -> list[Evaluation] | None:
    """Do the work of some groups in a transaction; None if the store is not well, or not with one of them.

    What fails here is tried again at the next time.
    """
    try:
        with transaction() as connection:
            done = work(connection)
    except (DBAPIError, DriverError) as error:
        logger.warning("an evaluation of %s failed: %s", ", ".join(keys), redact(str(error)))
        return None
    channels = list(dict.fromkeys(channel for one in done for channel in one.wake))
    if channels:
        wake(channels)
    return done
