"""What all parts of one evaluation share: its times, its data, its budget, its remarks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from watchfleet.promql.annotations import Annotations
from watchfleet.promql.durations import evaluate_duration
from watchfleet.promql.errors import QueryError, Span
from watchfleet.promql.frame import Grid
from watchfleet.promql.limits import Budget, Options
from watchfleet.promql.nodes import At, Duration, DurationMath, Subquery, VectorSelector
from watchfleet.promql.source import Columns, Fetch, SeriesSource

_FARTHEST = 2**61
"""Milliseconds: times beyond are held here, so that no sum of them overflows; no sample is as far."""


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """One evaluation of an expression.

    Attributes:
        source: Where samples come from.
        grid: The times of the query itself; subqueries have grids of their own.
        end: When the query ends, which may be a little after the last of its times.
        options: Look-back and default step.
        budget: What the query may still cost.
        fetched: What has been read already.
        annotations: Remarks about the result.
    """

    source: SeriesSource
    grid: Grid
    end: int
    options: Options
    budget: Budget
    fetched: Mapping[Fetch, Columns] = field(default_factory=dict)
    annotations: Annotations = field(default_factory=Annotations)

    @property
    def lookback(self) -> int:
        """How old a sample may be, in milliseconds."""
        return round(self.options.lookback.total_seconds() * 1000)

    @property
    def edge(self) -> int:
        """How many milliseconds before its own beginning a range takes samples from: the edge, or none."""
        return int(self.options.left_closed)

    @property
    def step(self) -> int:
        """The query's step in milliseconds, 0 if it is for one instant."""
        return self.grid.step if self.end > self.grid.start else 0

    @property
    def width(self) -> int:
        """From the query's start to its end, in milliseconds."""
        return self.end - self.grid.start

    def milliseconds(self, duration: Duration, *, negative: bool = False) -> int:
        """A duration of the expression, cut to whole milliseconds.

        Raises:
            QueryError: It is a computed one that comes to nothing usable.
        """
        if isinstance(duration, DurationMath):
            duration = evaluate_duration(
                duration, step=self.step / 1000, query_range=self.width / 1000, negative=negative
            )
        return math.trunc(round(duration * 1e9) / 1e6)

    def references(self, node: VectorSelector | Subquery, grid: Grid) -> Grid:
        """The times that a selector looks at; a single one if `@` fixes it."""
        offset = self.milliseconds(node.offset, negative=True)
        if node.at is None:
            return Grid(_held(grid.start - offset), grid.step, grid.count)
        return Grid(_held(self._fixed(node.at) - offset), grid.step, 1)

    def _fixed(self, at: At) -> int:
        match at.when:
            case "start":
                return self.grid.start
            case "end":
                return self.end
            case seconds:
                return round(seconds * 1000)

    def inner_grid(self, node: Subquery, grid: Grid) -> Grid:
        """The times at which a subquery evaluates its expression: multiples of its step.

        Raises:
            QueryError: The step is less than a millisecond.
            QueryLimitError: There are too many of them.
        """
        references = self.references(node, grid)
        step = round(self.options.subquery_step.total_seconds() * 1000)
        if node.step is not None:
            step = self.milliseconds(node.step)
        if step < 1:
            raise QueryError("the step of a subquery must be at least 1ms", node.span)
        start = ((references.start - self.milliseconds(node.range) - self.edge) // step + 1) * step
        count = max(0, (references.end - start) // step + 1)
        self.budget.hold(1, count)
        return Grid(_held(start), step, count)

    def columns(self, fetch: Fetch, span: Span) -> Columns:
        """The samples of a selector, from what has been read already or else from the source.

        Raises:
            QueryLimitError: They are too many.
        """
        columns = self.fetched.get(fetch)
        if columns is None:
            columns = self.source.select([fetch])[0]
        try:
            self.budget.read(len(columns.values), len(columns.series))
        except QueryError as error:
            error.span = span
            raise
        return columns


def _held(time: int) -> int:
    return max(-_FARTHEST, min(_FARTHEST, time))
