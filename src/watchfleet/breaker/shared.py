"""The fleet's breakers: scripts that Redis runs as one step each, and their client."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
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


def _script(*parts: str, around: str = "%s") -> Script:
    folder = files(__package__)
    text = around % "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in ("common", *parts))
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


ACQUIRE: Final = _script("acquire", "ask")
RECORD: Final = _script("record", "tell")
_EACH: Final = """
local function one(KEYS, ARGV)
%s
end
local policy, told, counted = {unpack(ARGV, 1, 12)}, 13, 0
for key = 1, #KEYS, 3 do
  policy[13], policy[14], policy[15] = ARGV[told], ARGV[told + 1], ARGV[told + 2]
  counted = counted + one({KEYS[key], KEYS[key + 1], KEYS[key + 2]}, policy)
  told = told + 3
end
return counted
"""
OBSERVE: Final = _script("acquire", "record", "observe", around=_EACH)
"""For many breakers of one policy at once, each of which a call of its own would cost twice as much."""


class Call(NamedTuple):
    """What a script is called with: `words` are its keys, as many as `keys` says, and its arguments."""

    keys: int
    words: list[str | int]


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


class Observation(NamedTuple):
    """What a call came to that no breaker was asked for.

    Attributes:
        keys: The breaker's.
        arguments: Its policy's; hashable.
        outcome: What it came to.
        slow: Whether it counts as slow.
        seconds: How long it took.
    """

    keys: Keys
    arguments: tuple[str, ...]
    outcome: Outcome
    slow: bool
    seconds: float


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
    calls = [
        _call(
            one.keys,
            one.policy,
            *_told(one.outcome, one.slow, one.seconds),
            one.permit.generation,
            one.permit.ticket,
        )
        for one in reports
    ]
    return [_recorded(answer) for answer in _run(redis, RECORD, calls)]


def observe(redis: Redis, seen: Iterable[Observation]) -> int:
    """Report what calls came to that were made whatever the breakers say; returns how many of them counted.

    While a breaker is open they say nothing to it; when its wait is over they are its trials. It takes one
    round trip. The breakers may be in any slots, so this is for one server and not for a cluster.

    Raises:
        redis.RedisError: Redis does not answer, or refused one of them.
    """
    by_policy: dict[tuple[str, ...], list[Observation]] = defaultdict(list)
    for one in seen:
        by_policy[one.arguments].append(one)
    calls = [
        Call(len(Keys._fields) * len(those), [*_all_keys(those), *arguments, *_all_told(those)])
        for arguments, those in by_policy.items()
    ]
    return sum(_run(redis, OBSERVE, calls))


def _all_keys(seen: Iterable[Observation]) -> Iterator[str]:
    for one in seen:
        yield from one.keys


def _all_told(seen: Iterable[Observation]) -> Iterator[str | int]:
    for one in seen:
        yield from _told(one.outcome, one.slow, one.seconds)


def _call(keys: Keys, policy: Policy, *rest: str | int) -> Call:
    return Call(len(keys), [*keys, *policy.arguments, *rest])


def _told(outcome: Outcome, slow: bool, seconds: float) -> tuple[str, int, int]:  # noqa: FBT001 - in order
    return str(outcome), int(slow), round(seconds * 1e6)


def _run(redis: Redis, script: Script, calls: list[Call]) -> list[Any]:
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


def _try(redis: Redis, script: Script, calls: list[Call]) -> list[Any]:
    if len(calls) == 1:
        try:
            return [redis.evalsha(script.digest, calls[0].keys, *calls[0].words)]
        except NoScriptError as error:
            return [error]
    pipeline = redis.pipeline(transaction=False)
    for call in calls:
        pipeline.evalsha(script.digest, call.keys, *call.words)
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
