"""The breaker that applications hold: the fleet's while Redis answers, else this process's own."""

import asyncio
import inspect
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, Final, ParamSpec, TypeVar, cast

from redis import Redis

from watchfleet.breaker import control, registry, shared
from watchfleet.breaker.errors import CallNotPermittedError
from watchfleet.breaker.events import Event, Kind, Listener, Listeners
from watchfleet.breaker.link import Link
from watchfleet.breaker.local import LocalCircuit
from watchfleet.breaker.policy import Policy
from watchfleet.breaker.shared import Report
from watchfleet.breaker.states import Outcome, Permit, Recorded, State, Transition
from watchfleet.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")

REGISTERED_EVERY: Final = 60.0
_NAME: Final = re.compile(r"[^\s{}\x00-\x1f\x7f]{1,200}")
_KINDS: Final = {
    Outcome.SUCCESSFUL: Kind.SUCCESS,
    Outcome.FAILED: Kind.ERROR,
    Outcome.IGNORED: Kind.IGNORED_ERROR,
}
_DEFAULT_LINK: Final = Link()


class Breaker:
    """A circuit breaker that all processes share which give it the same name and the same Redis.

    Args:
        name: What it protects, such as `payments`; up to 200 characters without blanks and braces.
        policy: When it opens and closes; that of resilience4j by default.
        redis: Where it is kept: a client, whose timeouts bound what a caller may have to wait, or a `Link`
            that several breakers share. By default the Redis of the settings: `REDIS_URL`, else
            `BROKER_URL`.

    Raises:
        ConfigError: The name cannot be used.
    """

    def __init__(
        self, name: str, policy: Policy | None = None, *, redis: "Redis | Link | None" = None
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} is no name of a circuit breaker", mend="write it without blanks and braces"
            )
        self.name, self.policy = name, policy or Policy()
        self.link = redis if isinstance(redis, Link) else Link(redis) if redis is not None else _DEFAULT_LINK
        self._keys, self._listeners = shared.keys_of(name), Listeners()
        self._local, self._alone = LocalCircuit(self.policy), False
        self._known: tuple[State, float] = (State.CLOSED, 0.0)
        self._registered = float("-inf")

    def on_event(self, listener: Listener) -> None:
        """Have `listener` called with each event of this process."""
        self._listeners.add(listener)

    def begin(self) -> "Call":
        """Ask for a call; who is given one says what it came to.

        Raises:
            CallNotPermittedError: None may be made now.
        """
        permit = self.acquire()
        if not permit.allowed:
            raise CallNotPermittedError(self.name, str(permit.state), permit.retry_after)
        return Call(self, permit)

    @contextmanager
    def guard(self) -> "Iterator[Call]":
        """Guard a block: its exception is a failure, as the policy says.

        Raises:
            CallNotPermittedError: It may not be entered now.
        """
        call = self.begin()
        try:
            yield call
        except BaseException as error:
            call.raised(error)
            raise
        call.returned()

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function under guard.

        Raises:
            CallNotPermittedError: It may not be called now.
        """
        with self.guard() as call:
            result = function(*args, **kwargs)
            call.judge(result)
        return result

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Guard a function, as its decorator. A coroutine is guarded while it is awaited.

        Raises:
            TypeError: It is a generator: guard what consumes it.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator: guard what consumes it")
        if inspect.iscoroutinefunction(function):
            return cast("Callable[P, R]", self._guarded_coroutine(function))

        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            return self.call(function, *args, **kwargs)

        return guarded

    def _guarded_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            # Redis is asked on a thread, so that it never holds up the event loop.
            call = await asyncio.to_thread(self.begin)
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                await asyncio.shield(asyncio.to_thread(call.raised, error))
                raise
            call.judge(result)
            await asyncio.shield(asyncio.to_thread(call.returned))
            return result

        return guarded

    def acquire(self) -> Permit:
        """Ask for a call. Never raises for Redis's sake; `record` tells what it came to."""
        return acquire_all([self])[0]

    def record(self, permit: Permit, outcome: Outcome, seconds: float) -> Recorded:
        """Tell what a permitted call came to.

        Args:
            permit: The call's.
            outcome: What it came to.
            seconds: How long it took.
        """
        return record_all([(self, permit, outcome, seconds)])[0]

    def decide(self, state: State) -> bool:
        """Put it into a state, as an operator does; CLOSED resets it.

        Args:
            state: CLOSED, DISABLED, FORCED_OPEN or METRICS_ONLY.

        Returns:
            Whether the fleet was told. This process abides by it as long as Redis is gone.
        """
        done = self.link.run(lambda redis: control.decide(redis, self.name, state))
        self._known = (state, 0.0)
        self._local.adopt(*self._known)
        return done is not None

    def question(self) -> tuple[shared.Keys, Policy]:
        """What the script that permits is told."""
        return self._keys, self.policy

    def report(self, permit: Permit, outcome: Outcome, seconds: float) -> Report:
        """What the script that counts is told."""
        return Report(self._keys, self.policy, permit, outcome, seconds)

    def register(self, redis: Redis) -> None:
        """Have the fleet know it by name, once a minute."""
        now = time.monotonic()
        if now - self._registered >= REGISTERED_EVERY:
            registry.register(redis, self.name, self.policy)
            self._registered = now

    def answered(self, permit: Permit | None) -> Permit:
        """Take the fleet's answer; None for that of this process."""
        now = time.monotonic()
        if permit is None:
            self._leave()
            permit = self._local.acquire(now)
        else:
            self._alone = False
            self._known = (permit.state, now + (permit.retry_after or 0.0))
        self._tell(permit.transition)
        if not permit.allowed:
            self._listeners.tell(Event(self.name, Kind.NOT_PERMITTED))
        return permit

    def counted(self, report: Report, recorded: Recorded | None) -> Recorded:
        """Take the fleet's count; None for that of this process."""
        now = time.monotonic()
        if recorded is None:
            self._leave()
            recorded = self._local.record(report.permit, report.outcome, now, slow=report.slow)
        else:
            wait = self.policy.wait_duration_in_open_state if recorded.state is State.OPEN else 0.0
            if recorded.transition is not None:
                self._known = (recorded.state, now + wait)
        self._listeners.tell(Event(self.name, _KINDS[report.outcome], report.seconds))
        self._tell(recorded.transition)
        return recorded

    def _leave(self) -> None:
        """Begin to decide alone, with what is known of the fleet's breaker."""
        if not self._alone:
            self._alone = True
            self._local.adopt(*self._known)

    def _tell(self, transition: Transition | None) -> None:
        if transition is not None:
            self._listeners.tell(Event(self.name, Kind.STATE_TRANSITION, 0.0, transition))


class Call:
    """A permitted call under way; `returned` or `raised` ends it, once.

    Args:
        breaker: Whose.
        permit: Its permit.
    """

    def __init__(self, breaker: Breaker, permit: Permit) -> None:
        self._breaker, self.permit = breaker, permit
        self._began, self._failed, self._ended = time.perf_counter(), False, False

    def fail(self) -> None:
        """Count it as a failure though it raises nothing."""
        self._failed = True

    def judge(self, result: object) -> None:
        """Count it as a failure if the policy says so of what it returned."""
        predicate = self._breaker.policy.record_result
        if predicate is not None and predicate(result):
            self.fail()

    def returned(self) -> None:
        """It ended by itself."""
        self._end(Outcome.FAILED if self._failed else Outcome.SUCCESSFUL)

    def raised(self, error: BaseException) -> None:
        """It raised."""
        self._end(self._breaker.policy.judge(error))

    def ignored(self) -> None:
        """It says nothing of what it called: a trial's permit is free again."""
        self._end(Outcome.IGNORED)

    def _end(self, outcome: Outcome) -> None:
        if not self._ended:
            self._ended = True
            self._breaker.record(self.permit, outcome, time.perf_counter() - self._began)


def acquire_all(breakers: Sequence[Breaker]) -> list[Permit]:
    """Ask for a call through each breaker, in one round trip for each Redis."""
    answers: dict[int, Permit] = {}
    for link, places in _by_link(breakers).items():
        asked = [breakers[place] for place in places]
        permits = link.run(partial(_ask, asked))
        for number, place in enumerate(places):
            answers[place] = breakers[place].answered(None if permits is None else permits[number])
    return [answers[place] for place in range(len(breakers))]


def record_all(told: Sequence[tuple[Breaker, Permit, Outcome, float]]) -> list[Recorded]:
    """Tell what calls came to: breaker, permit, outcome and seconds; in one round trip for each Redis."""
    reports = [breaker.report(permit, outcome, seconds) for breaker, permit, outcome, seconds in told]
    found: dict[int, Recorded] = {}
    for link, places in _by_link([one[0] for one in told]).items():
        sent = [place for place in places if told[place][1].shared]
        batch = [reports[place] for place in sent]
        counted = link.run(partial(shared.record, reports=batch)) if batch else None
        found.update(zip(sent, counted or (), strict=False))
    return [one[0].counted(reports[place], found.get(place)) for place, one in enumerate(told)]


def _ask(breakers: Sequence[Breaker], redis: Redis) -> list[Permit]:
    for breaker in breakers:
        breaker.register(redis)
    return shared.acquire(redis, [breaker.question() for breaker in breakers])


def _by_link(breakers: Sequence[Breaker]) -> dict[Link, list[int]]:
    places: dict[Link, list[int]] = {}
    for place, breaker in enumerate(breakers):
        places.setdefault(breaker.link, []).append(place)
    return places
