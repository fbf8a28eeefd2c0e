"""Which breakers there are: each process that uses one says so now and then."""

import json
import time
from typing import Any, Final, NamedTuple

from redis import Redis

from watchfleet.breaker.policy import Policy
from watchfleet.breaker.shared import REGISTRY, text

KEPT_SECONDS: Final = 86_400.0
"""How long a breaker is listed that nobody uses any more."""


class Entry(NamedTuple):
    """What is known of a breaker besides its state.

    Attributes:
        window: `count` or `time`.
        size: The window's size in calls or milliseconds.
        minimum: The least calls that it opens on.
        seen: When a process last said that it uses it, in Unix seconds.
    """

    window: str
    size: int
    minimum: int
    seen: float


def register(redis: Redis, name: str, policy: Policy) -> None:
    """Say that this process uses the breaker.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    window, size, minimum, *_ = policy.arguments
    entry = {"window": window, "size": int(size), "minimum": int(minimum), "seen": time.time()}
    redis.hset(REGISTRY, name, json.dumps(entry))


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


def _entry(value: Any) -> Entry | None:
    try:
        given = json.loads(value)
        return Entry(str(given["window"]), int(given["size"]), int(given["minimum"]), float(given["seen"]))
    except (ValueError, TypeError, KeyError):
        return None
