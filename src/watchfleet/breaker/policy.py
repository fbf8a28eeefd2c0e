"""When a breaker opens, for how long, and how it closes again. The names are resilience4j's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, Literal

from watchfleet.breaker.states import Outcome
from watchfleet.errors import ConfigError

_DAY: Final = 86_400.0
_LARGEST_WINDOW: Final = 100_000
_LONGEST: Final = 366 * _DAY

Exceptions = tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of a breaker; durations are in seconds, rates in percent.

    Attributes:
        sliding_window_type: Whether the window is the last calls (`count`) or the last seconds (`time`).
        sliding_window_size: How many of them.
        minimum_number_of_calls: With fewer calls in the window it does not open.
        failure_rate_threshold: It opens when this share of the calls in the window failed, or more.
        slow_call_rate_threshold: It opens when this share of them was slow, or more.
        slow_call_duration_threshold: A call is slow that takes this long or longer.
        wait_duration_in_open_state: How long it refuses calls before it lets trials through.
        wait_backoff: What the wait is multiplied by at each opening that follows a HALF_OPEN.
        max_wait_duration_in_open_state: The longest wait.
        permitted_number_of_calls_in_half_open_state: How many trials decide.
        trial_lease: After this long, the permit of a trial that did not report passes to another.
        max_wait_duration_in_half_open_state: It opens again when the trials have not decided after this long;
            0 for as long as they take.
        record_exceptions: The exceptions that are failures; another is a success: the call was answered.
        ignore_exceptions: The exceptions that say nothing about the dependency; they win.
        record_result: Whether what a call returned is a failure.

    Raises:
        ConfigError: A value is out of its range.
    """

    sliding_window_type: Literal["count", "time"] = "count"
    sliding_window_size: float = 100
    minimum_number_of_calls: int = 100
    failure_rate_threshold: float = 50.0
    slow_call_rate_threshold: float = 100.0
    slow_call_duration_threshold: float = 60.0
    wait_duration_in_open_state: float = 60.0
    wait_backoff: float = 1.0
    max_wait_duration_in_open_state: float = 3600.0
    permitted_number_of_calls_in_half_open_state: int = 10
    trial_lease: float = 60.0
    max_wait_duration_in_half_open_state: float = 0.0
    record_exceptions: Exceptions = (Exception,)
    ignore_exceptions: Exceptions = ()
    record_result: Callable[[Any], bool] | None = None
    arguments: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """What the scripts are told of it, in their order; durations in milliseconds."""

    def __post_init__(self) -> None:
        if self.sliding_window_type not in {"count", "time"}:
            raise ConfigError(
                f"sliding_window_type: {self.sliding_window_type!r} is neither 'count' nor 'time'",
                mend="write 'count' or 'time'",
            )
        by_count = self.sliding_window_type == "count"
        self._between("sliding_window_size", 1 if by_count else 0.06, _LARGEST_WINDOW, whole=by_count)
        self._between("minimum_number_of_calls", 1, 1_000_000_000, whole=True)
        self._between("failure_rate_threshold", 0.001, 100)
        self._between("slow_call_rate_threshold", 0.001, 100)
        self._between("slow_call_duration_threshold", 0.001, _LONGEST)
        self._between("wait_duration_in_open_state", 0.001, _LONGEST)
        self._between("wait_backoff", 1, 1000)
        self._between("max_wait_duration_in_open_state", 0.001, _LONGEST)
        self._between("permitted_number_of_calls_in_half_open_state", 1, 10_000, whole=True)
        self._between("trial_lease", 0.001, _LONGEST)
        self._between("max_wait_duration_in_half_open_state", 0, _LONGEST)
        # Once and not at each call, whose costs they would double.
        object.__setattr__(self, "arguments", tuple(map(str, self._arguments())))

    def _between(self, name: str, lowest: float, highest: float, *, whole: bool = False) -> None:
        value = getattr(self, name)
        right = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        if not right or not lowest <= value <= highest or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            raise ConfigError(f"{name}: {value!r} is not {kind} from {lowest} to {highest}")

    @property
    def minimum(self) -> int:
        """The least calls that it opens on: a window of the last calls holds no more than its size."""
        if self.sliding_window_type == "time":
            return self.minimum_number_of_calls
        return min(self.minimum_number_of_calls, int(self.sliding_window_size))

    @property
    def longest_wait(self) -> float:
        """The longest wait; never less than the first one."""
        return max(self.max_wait_duration_in_open_state, self.wait_duration_in_open_state)

    def wait(self, openings: int) -> float:
        """How long it stays open.

        Args:
            openings: How often it opened since it was last closed.
        """
        wait = self.wait_duration_in_open_state
        for _ in range(openings):
            wait *= self.wait_backoff
            if wait >= self.longest_wait or self.wait_backoff == 1:
                break
        return min(wait, self.longest_wait)

    @property
    def window_milliseconds(self) -> int:
        """The length of a window of time."""
        return _milliseconds(self.sliding_window_size)

    def _arguments(self) -> list[str | int | float]:
        by_count = self.sliding_window_type == "count"
        idle = max(self.longest_wait, self.trial_lease, self.max_wait_duration_in_half_open_state)
        window = 0 if by_count else self.sliding_window_size
        return [
            self.sliding_window_type,
            int(self.sliding_window_size) if by_count else self.window_milliseconds,
            self.minimum,
            self.failure_rate_threshold,
            self.slow_call_rate_threshold,
            _milliseconds(self.wait_duration_in_open_state),
            self.wait_backoff,
            _milliseconds(self.longest_wait),
            self.permitted_number_of_calls_in_half_open_state,
            _milliseconds(self.trial_lease),
            _milliseconds(self.max_wait_duration_in_half_open_state),
            _milliseconds(_DAY + 2 * max(idle, window)),
        ]

    def judge(self, error: BaseException) -> Outcome:
        """What a call came to that raised."""
        if not isinstance(error, Exception) or isinstance(error, self.ignore_exceptions):
            return Outcome.IGNORED
        return Outcome.FAILED if isinstance(error, self.record_exceptions) else Outcome.SUCCESSFUL

    def is_slow(self, seconds: float) -> bool:
        """Whether a call was slow that took so long."""
        return seconds >= self.slow_call_duration_threshold


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000)) if seconds else 0
