"""How the fleet's breakers stand, and their figures under resilience4j's names."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis

from watchfleet.breaker.registry import KEPT_SECONDS, Entry, User, entries, forget
from watchfleet.breaker.shared import keys_of, text
from watchfleet.breaker.states import Outcome, State
from watchfleet.model import Kind, Sample

PREFIX: Final = "resilience4j_circuitbreaker_"
CALLS: Final = f"{PREFIX}calls_seconds"
_BUCKETS: Final = 60


@dataclass(frozen=True, slots=True)
class Statistics:
    """How a breaker stands.

    Attributes:
        name: Its name.
        user: Who uses it.
        state: Its state.
        since: Since when, in Unix seconds; None when it was never in another.
        retry_after: Seconds until it lets trials through, if it is open.
        window: The calls in the window: of success, failed, slow of success, slow failed; each slow one is
            also among the first two.
        minimum: The least calls that it opens on.
        calls: How many calls came to each outcome, ever; of those that are counted.
        seconds: How long they took together.
        not_permitted: How many were refused, ever.
    """

    name: str
    user: User
    state: State
    since: float | None
    retry_after: float | None
    window: tuple[int, int, int, int]
    minimum: int
    calls: Mapping[Outcome, int]
    seconds: Mapping[Outcome, float]
    not_permitted: int

    @property
    def buffered(self) -> int:
        """How many calls are in the window."""
        return self.window[0] + self.window[1]

    @property
    def failure_rate(self) -> float:
        """Percent of the calls in the window that failed; -1 below the minimum."""
        return self._rate(self.window[1])

    @property
    def slow_call_rate(self) -> float:
        """Percent of the calls in the window that were slow; -1 below the minimum."""
        return self._rate(self.window[2] + self.window[3])

    def _rate(self, calls: int) -> float:
        return calls * 100 / self.buffered if self.buffered >= self.minimum else -1.0


def read(redis: Redis) -> list[Statistics]:
    """Every breaker, by name.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    known = entries(redis)
    pipeline = redis.pipeline(transaction=False)
    for name in known:
        pipeline.hgetall(keys_of(name).state)
        pipeline.hgetall(keys_of(name).window)
    pipeline.time()
    *hashes, (seconds, micros) = pipeline.execute()
    now = seconds + micros / 1e6
    texts = [{text(key): text(value) for key, value in one.items()} for one in hashes]
    return [
        _statistics(name, entry, texts[2 * place], texts[2 * place + 1], now)
        for place, (name, entry) in enumerate(known.items())
    ]


def forget_unused(redis: Redis) -> None:
    """List no more those that nobody has used for a day and that no operator decided about.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    old = [name for name, entry in entries(redis).items() if time.time() - entry.seen > KEPT_SECONDS]
    forget(redis, [name for name in old if not redis.exists(keys_of(name).state)])


def transitions(redis: Redis, name: str) -> list[tuple[float, State, State, str]]:
    """The last changes of a breaker's state, newest first: when, from, to, why.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    found = [text(line).split(" ") for line in redis.lrange(keys_of(name).transitions, 0, -1)]
    return [(int(at) / 1000, State(before), State(after), reason) for at, before, after, reason in found]


def figures(one: Statistics, at: float) -> Iterator[Sample]:
    """Its figures under the names that Micrometer gives resilience4j's.

    Args:
        one: How it stands.
        at: When, in Unix seconds.
    """
    good, bad, slow_good, slow_bad = one.window
    for state in State:
        yield _gauge(one, at, "state", float(one.state is state), state=state.lower())
    yield _gauge(one, at, "buffered_calls", good, kind="successful")
    yield _gauge(one, at, "buffered_calls", bad, kind="failed")
    yield _gauge(one, at, "slow_calls", slow_good, kind="successful")
    yield _gauge(one, at, "slow_calls", slow_bad, kind="failed")
    yield _gauge(one, at, "failure_rate", one.failure_rate)
    yield _gauge(one, at, "slow_call_rate", one.slow_call_rate)
    refused = {"name": one.name, "kind": "not_permitted"}
    yield Sample(f"{PREFIX}not_permitted_calls_total", refused, Kind.COUNTER, at, float(one.not_permitted))
    for outcome, count in one.calls.items():
        labels = {"name": one.name, "kind": str(outcome)}
        yield Sample(f"{CALLS}_count", labels, Kind.COUNTER, at, float(count))
        yield Sample(f"{CALLS}_sum", labels, Kind.COUNTER, at, one.seconds[outcome])


def _gauge(one: Statistics, at: float, name: str, value: float, **labels: str) -> Sample:
    return Sample(f"{PREFIX}{name}", {"name": one.name, **labels}, Kind.GAUGE, at, float(value))


def _statistics(
    name: str, entry: Entry, held: Mapping[str, str], window: Mapping[str, str], now: float
) -> Statistics:
    state = State(held.get("state", State.CLOSED))
    return Statistics(
        name,
        entry.user,
        state,
        int(held["since"]) / 1000 if "since" in held else None,
        max(0.0, int(held["until"]) / 1000 - now) if state is State.OPEN else None,
        _trials(held) if state is State.HALF_OPEN else _window(entry, window, now),
        entry.minimum,
        {outcome: int(held.get(f"calls_{outcome}", 0)) for outcome in Outcome},
        {outcome: int(held.get(f"micros_{outcome}", 0)) / 1e6 for outcome in Outcome},
        int(held.get("not_permitted", 0)),
    )


def _trials(held: Mapping[str, str]) -> tuple[int, int, int, int]:
    """Of trials it is not kept whether the slow ones failed: their number is told with those of success."""
    return int(held.get("passed", 0)), int(held.get("failed", 0)), int(held.get("slow", 0)), 0


def _window(entry: Entry, window: Mapping[str, str], now: float) -> tuple[int, int, int, int]:
    if window.get("shape") != f"{entry.window} {entry.size}":
        return 0, 0, 0, 0
    if entry.window == "count":
        codes = [int(window[f"n{code}"]) for code in range(4)]
    else:
        codes = _last_buckets(entry, window, now)
    return codes[0] + codes[2], codes[1] + codes[3], codes[2], codes[3]


def _last_buckets(entry: Entry, window: Mapping[str, Any], now: float) -> list[int]:
    """The totals of the buckets that are not over, which the script forgets only at the next call."""
    current, head = int(now * 1000 // -(-entry.size // _BUCKETS)), int(window["head"])
    first = max(current, head) - _BUCKETS + 1
    slots = [
        window.get(f"b{bucket % _BUCKETS}") for bucket in range(max(first, head - _BUCKETS + 1), head + 1)
    ]
    counts = [[int(count) for count in slot.split(",")] for slot in slots if slot]
    return [sum(column) for column in zip(*counts, strict=True)] or [0, 0, 0, 0]
