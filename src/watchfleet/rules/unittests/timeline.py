"""What an expression gives at every evaluation of a test, found by one query over the whole time.

That is much cheaper than one query for each time, and the same, if the expression looks neither into the
future nor at what the rules themselves write.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from watchfleet.promql import Expression, QueryError, SeriesSource, range_
from watchfleet.promql.labels import NAME
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.nodes import (
    At,
    Call,
    Duration,
    DurationMath,
    MatrixSelector,
    Node,
    Subquery,
    VectorSelector,
    children,
)
from watchfleet.promql.query import milliseconds
from watchfleet.rules.engine import Series, Surroundings, evaluate

_AT_ONCE: Final = 1000
"""Evaluation times of one query."""


@dataclass(frozen=True, slots=True)
class Times:
    """The evaluation times of a test: `start`, and every `interval` from there."""

    start: datetime
    interval: timedelta
    count: int

    def parts(self) -> Iterator[tuple[datetime, datetime]]:
        """The first and the last time of each stretch that one query serves."""
        for first in range(0, self.count, _AT_ONCE):
            last = min(self.count, first + _AT_ONCE) - 1
            yield self.start + first * self.interval, self.start + last * self.interval


@dataclass(slots=True)
class Timeline:
    """What an expression gives over time.

    Attributes:
        expression: The expression.
        found: The series at each time, in milliseconds; None if each time is asked for by itself.
    """

    expression: Expression
    found: dict[int, list[tuple[dict[str, str], float]]] | None = field(default=None)

    def prepare(self, source: SeriesSource, times: Times, around: Surroundings) -> None:
        """Evaluate the expression for all times at once; what fails so is left to each time by itself."""
        found: dict[int, list[tuple[dict[str, str], float]]] = {}
        limits = replace(around.limits, samples=10 * around.limits.samples)
        try:
            for first, last in times.parts():
                matrix = range_(
                    source,
                    self.expression,
                    first,
                    last,
                    times.interval,
                    limits=limits,
                    options=around.options,
                )
                for labels, ts, values in matrix:
                    for at, value in zip(ts.tolist(), values.tolist(), strict=True):
                        found.setdefault(at, []).append((dict(labels), value))
        except QueryError:
            return
        self.found = found

    def at(self, source: SeriesSource, at: datetime, around: Surroundings) -> Series:
        """What the expression gives at one time.

        Raises:
            QueryError: It cannot be evaluated.
        """
        if self.found is None:
            return evaluate(self.expression, source, at, around)
        return self.found.get(milliseconds(at), ())


def looks_ahead(node: Node) -> bool:
    """Whether the expression may see samples later than its time, or depends on the query around it."""
    match node:
        case VectorSelector() | Subquery() if node.at is not None or _is_odd(node.offset):
            return True
        case MatrixSelector() | Subquery() if isinstance(node.range, DurationMath):
            return True
        case Call() if node.function.name in {"info", "start", "end", "step", "range"}:
            return True
    return any(looks_ahead(child) for child in children(node))


def _is_odd(offset: Duration) -> bool:
    return isinstance(offset, DurationMath | At) or offset < 0


def may_read(node: Node, names: Iterable[str]) -> bool:
    """Whether a selector of the expression may select metrics with one of these names."""
    if isinstance(node, VectorSelector):
        return any(_fits(node.matchers, name) for name in names)
    if isinstance(node, Call) and node.function.name == "info":
        return bool(tuple(names))
    return any(may_read(child, names) for child in children(node))


def _fits(matchers: Iterable[Matcher], name: str) -> bool:
    return all(matcher.matches(name) for matcher in matchers if matcher.name == NAME)
