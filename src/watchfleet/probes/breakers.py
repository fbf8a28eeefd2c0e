"""A circuit breaker for each target: its probe is the trial call, and is never refused.

An application that gives its breaker the name of a target shares it. Then probes open it before the
application has failed often enough, and close it without a call of the application's.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Final

from redis import Redis

from watchfleet.breaker import registry, shared
from watchfleet.breaker.policy import Policy
from watchfleet.breaker.registry import Entry, User, entry_of
from watchfleet.breaker.shared import Observation
from watchfleet.breaker.states import Outcome
from watchfleet.model import ProbeResult, Status
from watchfleet.probes.probe import Target

POLICY: Final = Policy(
    sliding_window_size=10,
    minimum_number_of_calls=3,
    wait_duration_in_open_state=10,
    permitted_number_of_calls_in_half_open_state=1,
)
"""Of a breaker that no application uses; another has its application's."""
RENEWED_EVERY: Final = 15.0
_OUTCOMES: Final = {
    Status.UP: Outcome.SUCCESSFUL,
    Status.DEGRADED: Outcome.SUCCESSFUL,
    Status.DOWN: Outcome.FAILED,
}


class Breakers:
    """Tells the breakers of targets what their probes found; one for a process."""

    def __init__(self) -> None:
        self._known: Mapping[str, Entry] = {}
        self._renewed = float("-inf")

    def tell(self, redis: Redis, found: Iterable[tuple[Target, ProbeResult]]) -> None:
        """Tell each target's breaker, in one round trip.

        The fleet's own dependencies have none, and a check that says nothing of its target tells nothing.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        told = {
            breaker_of(target): result
            for target, result in found
            if not target.own and result.status in _OUTCOMES
        }
        if told:
            policies = self._policies(redis, told)
            shared.observe(redis, [_observation(name, policies[name], one) for name, one in told.items()])

    def _policies(self, redis: Redis, names: Iterable[str]) -> Mapping[str, Entry]:
        """What is known of these, and of others; a breaker that nobody has used so far is made known."""
        if time.monotonic() - self._renewed >= RENEWED_EVERY:
            self._known, self._renewed = registry.entries(redis), time.monotonic()
        new = [name for name in names if name not in self._known]
        if new:
            entry = entry_of(POLICY, User.PROBE)
            registry.introduce(redis, new, entry)
            self._known = {**dict.fromkeys(new, entry), **self._known}
        return self._known


def breaker_of(target: Target) -> str:
    """The name of a target's breaker: the target's own, with `_` for blanks."""
    return target.name.replace(" ", "_")


def _observation(name: str, entry: Entry, result: ProbeResult) -> Observation:
    slow = result.duration >= entry.slow
    return Observation(shared.keys_of(name), entry.arguments, _OUTCOMES[result.status], slow, result.duration)
