"""The fleet's breakers: two scripts that Redis runs as one step each, and their client."""

from collections.abc import Iterator, Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, NamedTuple

from redis import Redis
from redis.exceptions import NoScriptError

from watchfleet.breaker.policy import Policy
from watchfleet.breaker.states import Outcome, Permit, Recorded, State, Transition
from watchfleet.db.cache import PREFIX

REGISTRY: Final = f"{PREFIX}breakers"
"""The hash of every breaker's policy, by name."""


class Script(NamedTuple):
    """A script and the name that Redis calls it by."""

    text: str
    digest: str


def _script(name: str) -> Script:
    folder = files(__package__)
    text = "\n".join((folder / part).read_text("utf-8") for part in ("common.lua", f"{name}.lua"))
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


ACQUIRE: Final = _script("acquire")
RECORD: Final = _script("record")


class Keys(NamedTuple):
    """The keys of one breaker, in one slot of a cluster."""

    state: str
    window: str
    transitions: str


class Report(NamedTuple):
    """What a call came to.

    Attributes:
        keys: The breaker's.
        policy: The breaker's.
        permit: The call's.
        outcome: What it came to.
        seconds: How long it took.
    """

    keys: Keys
    policy: Policy
    permit: Permit
    outcome: Outcome
    seconds: float

    @property
    def slow(self) -> bool:
        """Whether it counts as slow."""
        return self.outcome is not Outcome.IGNORED and self.policy.is_slow(self.seconds)


def keys_of(name: str) -> Keys:
    """The keys of the breaker of that name."""
    state = f"{PREFIX}breaker:{{{name}}}"
    return Keys(state, f"{state}:window", f"{state}:transitions")


def acquire(redis: Redis, asked: Sequence[tuple[Keys, Policy]]) -> list[Permit]:
    """Ask for a call through each of these breakers, in one round trip.

    Raises:
        redis.RedisError: Redis does not answer, or refused one of them.
    """
    return [_permit(answer) for answer in _run(redis, ACQUIRE, [_call(*one) for one in asked])]


def record(redis: Redis, reports: Sequence[Report]) -> list[Recorded]:
    """Report what calls came to, in one round trip.

    Raises:
        redis.RedisError: Redis does not answer, or refused one of them.
    """
    calls = [[*_call(one.keys, one.policy), *_told(one)] for one in reports]
    return [_recorded(answer) for answer in _run(redis, RECORD, calls)]


def _call(keys: Keys, policy: Policy) -> list[str | int | float]:
    return [*keys, *policy.arguments]


def _told(report: Report) -> Iterator[str | int]:
    yield report.permit.generation
    yield report.permit.ticket
    yield str(report.outcome)
    yield int(report.slow)
    yield round(report.seconds * 1e6)


def _run(redis: Redis, script: Script, calls: list[list[str | int | float]]) -> list[Any]:
    """Run a script for each call. A server that has lost it, as after a restart, is given it again."""
    answers = _try(redis, script, calls)
    lost = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if lost:
        redis.script_load(script.text)
        again = _try(redis, script, [calls[place] for place in lost])
        for place, answer in zip(lost, again, strict=True):
            answers[place] = answer
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _try(redis: Redis, script: Script, calls: list[list[str | int | float]]) -> list[Any]:
    count = len(Keys._fields)
    if len(calls) == 1:
        try:
            return [redis.evalsha(script.digest, count, *calls[0])]
        except NoScriptError as error:
            return [error]
    pipeline = redis.pipeline(transaction=False)
    for call in calls:
        pipeline.evalsha(script.digest, count, *call)
    return pipeline.execute(raise_on_error=False)


def _permit(answer: list[Any]) -> Permit:
    allowed, generation, ticket, wait, state, transition = answer
    retry_after = None if wait < 0 else wait / 1000
    return Permit(
        bool(allowed), generation, ticket, retry_after, State(text(state)), _transition(text(transition))
    )


def _recorded(answer: list[Any]) -> Recorded:
    counted, state, transition = answer
    return Recorded(bool(counted), State(text(state)), _transition(text(transition)))


def _transition(said: str) -> Transition | None:
    if not said:
        return None
    before, after, reason = said.split(" ")
    return Transition(State(before), State(after), reason)


def text(value: Any) -> str:
    """What Redis says, whether the client decodes its answers or not."""
    return value.decode() if isinstance(value, bytes) else str(value)
