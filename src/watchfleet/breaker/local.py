"""The breaker of this process alone, by the same policy: it serves while Redis is gone."""

from collections import deque
from dataclasses import dataclass, field
from threading import Lock

from watchfleet.breaker.policy import Policy
from watchfleet.breaker.states import PERMITTING, Outcome, Permit, Recorded, State, Transition


@dataclass(slots=True)
class _Window:
    """The last calls: when, whether failed, whether slow."""

    calls: deque[tuple[float, bool, bool]] = field(default_factory=deque)
    failed: int = 0
    slow: int = 0

    def add(self, at: float, *, failed: bool, slow: bool) -> None:
        self.calls.append((at, failed, slow))
        self.failed += failed
        self.slow += slow

    def forget(self) -> None:
        _, failed, slow = self.calls.popleft()
        self.failed -= failed
        self.slow -= slow


@dataclass(slots=True)
class _Trials:
    """The trials of one HALF_OPEN: the ends of the leases of those that run, and what the others came to."""

    since: float = 0.0
    running: dict[int, float] = field(default_factory=dict)
    passed: int = 0
    failed: int = 0
    slow: int = 0


class LocalCircuit:
    """One breaker in memory; its decisions are those of the scripts.

    Args:
        policy: Its policy.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy, self._lock = policy, Lock()
        self.state, self._generation, self._tickets = State.CLOSED, 0, 0
        self._open_until, self._openings = 0.0, 0
        self._window, self._trials = _Window(), _Trials()

    def adopt(self, state: State, open_until: float) -> None:
        """Begin with what was last known of the fleet's breaker, and an empty window.

        Args:
            state: Its state; HALF_OPEN becomes OPEN, as this process cannot tell how many trials run.
            open_until: When the wait is over, if it is open.
        """
        with self._lock:
            self.state = State.OPEN if state is State.HALF_OPEN else state
            self._open_until, self._openings = open_until, 1 if self.state is State.OPEN else 0
            self._generation += 1
            self._window = _Window()

    def acquire(self, now: float) -> Permit:
        """Whether a call may be made.

        Args:
            now: Seconds of a clock that never goes back.
        """
        with self._lock:
            if self.state in PERMITTING:
                return self._permit()
            if self.state is State.FORCED_OPEN:
                return self._refusal(None)
            transition = self._end_of_half_open(now)
            if self.state is State.OPEN:
                if now < self._open_until:
                    return self._refusal(self._open_until - now, transition)
                transition = self._turn(State.HALF_OPEN, "wait_over")
                self._window, self._trials = _Window(), _Trials(now)
            return self._trial(now, transition)

    def record(self, permit: Permit, outcome: Outcome, now: float, *, slow: bool) -> Recorded:
        """Take what a call came to.

        Args:
            permit: The call's.
            outcome: What it came to.
            now: Seconds of the clock of `acquire`.
            slow: Whether it was slow.
        """
        with self._lock:
            if permit.shared or permit.generation != self._generation or self.state is State.DISABLED:
                return Recorded(counted=False, state=self.state)
            if self.state is State.HALF_OPEN:
                return self._settle(permit.ticket, outcome, now, slow=slow)
            if outcome is Outcome.IGNORED:
                return Recorded(counted=False, state=self.state)
            self._count(outcome, now, slow=slow)
            transition = self._judge(now) if self.state is State.CLOSED else None
            return Recorded(counted=True, state=self.state, transition=transition)

    def counts(self) -> tuple[int, int, int]:
        """The calls of the window, those of them that failed, those that were slow."""
        with self._lock:
            return len(self._window.calls), self._window.failed, self._window.slow

    def _permit(self, ticket: int = 0, transition: Transition | None = None) -> Permit:
        return Permit(True, self._generation, ticket, 0.0, self.state, transition, shared=False)  # noqa: FBT003

    def _refusal(self, retry_after: float | None, transition: Transition | None = None) -> Permit:
        return Permit(False, self._generation, 0, retry_after, self.state, transition, shared=False)  # noqa: FBT003

    def _end_of_half_open(self, now: float) -> Transition | None:
        longest = self._policy.max_wait_duration_in_half_open_state
        if self.state is State.HALF_OPEN and 0 < longest <= now - self._trials.since:
            return self._open(now, "half_open_too_long")
        return None

    def _trial(self, now: float, transition: Transition | None) -> Permit:
        trials = self._trials
        trials.running = {ticket: end for ticket, end in trials.running.items() if end > now}
        taken = len(trials.running) + trials.passed + trials.failed
        if taken >= self._policy.permitted_number_of_calls_in_half_open_state:
            soonest = min(trials.running.values(), default=now)
            return self._refusal(soonest - now, transition)
        self._tickets += 1
        trials.running[self._tickets] = now + self._policy.trial_lease
        return self._permit(self._tickets, transition)

    def _settle(self, ticket: int, outcome: Outcome, now: float, *, slow: bool) -> Recorded:
        if self._trials.running.pop(ticket, None) is None:
            return Recorded(counted=False, state=self.state)
        self._trials.passed += outcome is Outcome.SUCCESSFUL
        self._trials.failed += outcome is Outcome.FAILED
        self._trials.slow += slow
        transition = self._verdict(now)
        return Recorded(counted=True, state=self.state, transition=transition)

    def _verdict(self, now: float) -> Transition | None:
        trials, policy = self._trials, self._policy
        permits = policy.permitted_number_of_calls_in_half_open_state
        if trials.failed * 100 >= permits * policy.failure_rate_threshold:
            return self._open(now, "trials_failed")
        if trials.slow * 100 >= permits * policy.slow_call_rate_threshold:
            return self._open(now, "trials_slow")
        if trials.passed + trials.failed < permits:
            return None
        self._openings = 0
        return self._turn(State.CLOSED, "trials_passed")

    def _count(self, outcome: Outcome, now: float, *, slow: bool) -> None:
        window, policy = self._window, self._policy
        window.add(now, failed=outcome is Outcome.FAILED, slow=slow)
        if policy.sliding_window_type == "count":
            while len(window.calls) > policy.sliding_window_size:
                window.forget()
        else:
            while window.calls[0][0] <= now - policy.sliding_window_size or len(window.calls) > _MOST_CALLS:
                window.forget()

    def _judge(self, now: float) -> Transition | None:
        window, policy = self._window, self._policy
        calls = len(window.calls)
        if calls < min(policy.minimum, _MOST_CALLS):
            return None
        if window.failed * 100 >= calls * policy.failure_rate_threshold:
            return self._open(now, "failure_rate")
        if window.slow * 100 >= calls * policy.slow_call_rate_threshold:
            return self._open(now, "slow_call_rate")
        return None

    def _open(self, now: float, reason: str) -> Transition:
        self._open_until = now + self._policy.wait(self._openings)
        self._openings += 1
        return self._turn(State.OPEN, reason)

    def _turn(self, state: State, reason: str) -> Transition:
        before, self.state = self.state, state
        self._generation += 1
        return Transition(before, state, reason)


_MOST_CALLS = 100_000
"""A window of time keeps no more calls than this: memory is bounded."""
