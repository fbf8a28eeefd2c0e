"""Which breakers there are: each process that uses one says so now and then."""

import json
import time
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, NamedTuple

from redis import Redis

from watchfleet.breaker.policy import Policy
from watchfleet.breaker.shared import REGISTRY, text

KEPT_SECONDS: Final = 86_400.0
"""How long a breaker is listed that nobody uses any more."""


class User(StrEnum):
    """Who uses a breaker."""

    APPLICATION = "application"
    """Applications ask it, and it refuses calls."""
    PROBE = "probe"
    """Only a target's probe tells it what it found."""
    CHANNEL = "channel"
    """The notifications of one destination."""


class Entry(NamedTuple):
    """What is known of a breaker besides its state.

    Attributes:
        arguments: What the scripts are told of its policy.
        slow: From how many seconds on a call of it is slow.
        user: Who uses it.
        seen: When a process last said that it uses it, in Unix seconds.
    """

    arguments: tuple[str, ...]
    slow: float
    user: User
    seen: float

    @property
    def window(self) -> str:
        """`count` or `time`."""
        return self.arguments[0]

    @property
    def size(self) -> int:
        """The window's size in calls or milliseconds."""
        return int(self.arguments[1])

    @property
    def minimum(self) -> int:
        """The least calls that it opens on."""
        return int(self.arguments[2])


def entry_of(policy: Policy, user: User) -> Entry:
    """What is to be known of a breaker of this policy."""
    return Entry(policy.arguments, policy.slow_call_duration_threshold, user, time.time())


def register(redis: Redis, name: str, policy: Policy) -> None:
    """Say that an application uses the breaker, by this policy.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    redis.hset(REGISTRY, name, _written(entry_of(policy, User.APPLICATION)))


def introduce(redis: Redis, names: Iterable[str], entry: Entry) -> None:
    """Make breakers known that nobody has used so far; leaves the others as they are.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    pipeline = redis.pipeline(transaction=False)
    for name in names:
        pipeline.hsetnx(REGISTRY, name, _written(entry))
    pipeline.execute()


def entries(redis: Redis) -> dict[str, Entry]:
    """Every breaker by name; what another version wrote and we cannot read is left out.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    found = {text(name): _entry(value) for name, value in redis.hgetall(REGISTRY).items()}
    return {name: entry for name, entry in sorted(found.items()) if entry is not None}


def forget(redis: Redis, names: list[str]) -> None:
    """List these no more, until somebody uses them again.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    if names:
        redis.hdel(REGISTRY, *names)


def _written(entry: Entry) -> str:
    return json.dumps(entry._asdict())


def _entry(value: Any) -> Entry | None:
    try:
        given = json.loads(value)
        arguments = tuple(map(str, given["arguments"]))
        int(arguments[1]), int(arguments[2])
        return Entry(arguments, float(given["slow"]), User(given["user"]), float(given["seen"]))
    except (ValueError, TypeError, LookupError):
        return None
