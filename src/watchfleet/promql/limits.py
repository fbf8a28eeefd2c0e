"""How much a query may cost, and the tally of what it has cost."""

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Final

from watchfleet.promql.errors import QueryLimitError, QueryTimeoutError


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may use; a query that needs more fails.

    Attributes:
        samples: Samples read, and also values in any one intermediate result.
        series: Series in any one selector or intermediate result.
        steps: Evaluation times of a range query.
        seconds: Time that the evaluation may take.
    """

    samples: int = 10_000_000
    series: int = 200_000
    steps: int = 11_000
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """What Prometheus sets by flags and global configuration.

    Attributes:
        lookback: How old a sample may be to count as the present one.
        subquery_step: The step of a subquery that names none.
        left_closed: Whether ranges and the look-back take a sample that is exactly as old as they are long,
            as in Prometheus 2.
    """

    lookback: timedelta = timedelta(minutes=5)
    subquery_step: timedelta = timedelta(minutes=1)
    left_closed: bool = False


DEFAULT_LIMITS: Final = Limits()
DEFAULT_OPTIONS: Final = Options()


class Budget:
    """What is left of the limits while a query runs."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._read = 0
        self._deadline = monotonic() + limits.seconds

    def read(self, samples: int, series: int) -> None:
        """Count what a selector has read.

        Raises:
            QueryLimitError: It is more than the query may read.
        """
        self._read += samples
        self._check("samples", self._read, self._limits.samples)
        self._check("series", series, self._limits.series)

    def hold(self, series: int, steps: int) -> None:
        """See to it that an intermediate result of this size may be made, and that there is time.

        Raises:
            QueryLimitError: It may not, or there is none.
        """
        self._check("values", series * steps, self._limits.samples)
        self._check("series", series, self._limits.series)
        self.tick()

    def steps(self, count: int) -> None:
        """See to it that a range may have so many steps.

        Raises:
            QueryLimitError: It may not.
        """
        self._check("steps", count, self._limits.steps)

    def tick(self) -> None:
        """See to it that there is time left.

        Raises:
            QueryTimeoutError: There is none.
        """
        if monotonic() > self._deadline:
            raise QueryTimeoutError(f"the query took longer than {self._limits.seconds:g} s")

    @staticmethod
    def _check(what: str, used: int, allowed: int) -> None:
        if used > allowed:
            raise QueryLimitError(f"the query needs {used} {what}, more than the {allowed} that it may use")
