"""What an operator decides about a breaker."""

from typing import Final

from redis import Redis

from watchfleet.breaker.shared import keys_of, text
from watchfleet.breaker.states import DECIDED, State

_KEPT_MILLISECONDS: Final = 7 * 86_400_000
_KEPT_TRANSITIONS: Final = 100


def decide(redis: Redis, name: str, state: State) -> State:
    """Put a breaker into a state; CLOSED forgets its window and its back-off. Returns the state before.

    What calls come to that are under way counts no more. DISABLED, FORCED_OPEN and METRICS_ONLY stay until
    the next decision.

    Args:
        redis: Where it is kept.
        name: The breaker's.
        state: CLOSED, DISABLED, FORCED_OPEN or METRICS_ONLY.

    Raises:
        ValueError: It is another state, which only calls lead to.
        redis.RedisError: Redis does not answer.
    """
    if state is not State.CLOSED and state not in DECIDED:
        raise ValueError(f"{state} is what calls lead to, not what is decided")
    keys = keys_of(name)
    before = State(text(redis.hget(keys.state, "state") or State.CLOSED))
    seconds, micros = redis.time()
    now = seconds * 1000 + micros // 1000
    step = redis.pipeline(transaction=True)
    step.hset(keys.state, mapping={"state": str(state), "since": now, "openings": 0, "trials": ""})
    step.hincrby(keys.state, "generation", 1)
    if state is State.CLOSED:
        step.delete(keys.window)
        step.pexpire(keys.state, _KEPT_MILLISECONDS)
    else:
        step.persist(keys.state)
    step.lpush(keys.transitions, f"{now} {before} {state} decided")
    step.ltrim(keys.transitions, 0, _KEPT_TRANSITIONS - 1)
    step.pexpire(keys.transitions, _KEPT_MILLISECONDS)
    step.execute()
    return before
