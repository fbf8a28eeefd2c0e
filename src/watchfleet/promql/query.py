"""Queries: expressions evaluated over the series of a source."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import numpy as np

from watchfleet.promql.check import string_argument
from watchfleet.promql.context import Context
from watchfleet.promql.errors import QueryError
from watchfleet.promql.evaluate import Evaluator
from watchfleet.promql.extended import extended_columns
from watchfleet.promql.frame import Frame, Grid, named_for_good, row
from watchfleet.promql.labels import without_metadata
from watchfleet.promql.limits import DEFAULT_LIMITS, DEFAULT_OPTIONS, Budget, Limits, Options
from watchfleet.promql.nodes import MatrixSelector, Node, unwrap, value_type
from watchfleet.promql.parser import parse_node
from watchfleet.promql.plan import fetches
from watchfleet.promql.printer import format_node, prettify
from watchfleet.promql.series import ONE_SERIES
from watchfleet.promql.signatures import TYPE_NAMES, ValueType
from watchfleet.promql.source import Columns, Fetch, SeriesSource
from watchfleet.promql.values import Matrix, Scalar, Series, String, Value, Vector
from watchfleet.promql.windows import Windows

_FARTHEST_SECONDS: Final = 1e15


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A parsed expression.

    Attributes:
        text: What was parsed.
        root: Its syntax tree.
    """

    text: str
    root: Node

    @property
    def type(self) -> ValueType:
        """What evaluating it gives: scalar, vector, matrix or string."""
        return value_type(self.root)

    def __str__(self) -> str:
        """The expression as Prometheus writes it, on one line."""
        return format_node(self.root)

    def pretty(self) -> str:
        """The expression as Prometheus formats it for people, long ones over several lines."""
        return prettify(self.root)


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        ParseError: It is no PromQL; tells line, column and cause.
    """
    return Expression(text, parse_node(text))


def instant(
    source: SeriesSource,
    expression: Expression | str,
    at: datetime | float,
    *,
    limits: Limits = DEFAULT_LIMITS,
    options: Options = DEFAULT_OPTIONS,
) -> Value:
    """The value of an expression at one instant.

    Args:
        source: Where samples come from.
        expression: What to evaluate.
        at: When: an aware datetime or Unix seconds.
        limits: What the query may cost.
        options: Look-back and default step of subqueries.

    Returns:
        A value of the expression's type; a range vector comes as a matrix of the samples themselves.

    Raises:
        QueryError: It cannot be evaluated; tells line, column and cause.
        QueryLimitError: It would cost too much.
    """
    expression = parse(expression) if isinstance(expression, str) else expression
    start = milliseconds(at)
    return _evaluate(expression, Context(source, Grid(start, 1, 1), start, options, Budget(limits)))


def range_(
    source: SeriesSource,
    expression: Expression | str,
    start: datetime | float,
    end: datetime | float,
    step: timedelta | float,
    *,
    limits: Limits = DEFAULT_LIMITS,
    options: Options = DEFAULT_OPTIONS,
) -> Matrix:
    """The values of an expression from `start` to `end`, every `step`.

    Args:
        source: Where samples come from.
        expression: What to evaluate: an instant vector or a scalar.
        start: The first time: an aware datetime or Unix seconds.
        end: No time is later.
        step: From one time to the next: a timedelta or seconds; whole milliseconds count.
        limits: What the query may cost.
        options: Look-back and default step of subqueries.

    Raises:
        QueryError: It cannot be evaluated; tells line, column and cause.
        QueryLimitError: It would cost too much.
    """
    expression = parse(expression) if isinstance(expression, str) else expression
    if expression.type not in {"vector", "scalar"}:
        cause = f'invalid expression type "{TYPE_NAMES[expression.type]}" for range query'
        raise QueryError(f"{cause}, must be Scalar or instant Vector", expression.root.span, expression.text)
    grid = _grid(start, end, step, expression.text)
    context = Context(source, grid, milliseconds(end), options, Budget(limits))
    value = _evaluate(expression, context, ranged=True)
    assert isinstance(value, Matrix)  # noqa: S101 - what a range query gives
    return value


def plan(
    expression: Expression,
    start: datetime | float,
    end: datetime | float,
    step: timedelta | float = 1.0,
    options: Options = DEFAULT_OPTIONS,
) -> tuple[Fetch, ...]:
    """What evaluating an expression will read, so that one read can serve many expressions.

    Give what was read to `Prefetched`, and that as source to `instant` or `range_`.

    Args:
        expression: What will be evaluated.
        start: The first evaluation time.
        end: The last one; the same as `start` for an instant query.
        step: From one to the next.
        options: As the evaluation will have them.

    Raises:
        QueryError: A duration in it comes to nothing usable.
    """
    grid = _grid(start, end, step, expression.text)
    with _located(expression):
        context = Context(Prefetched({}), grid, milliseconds(end), options, Budget(DEFAULT_LIMITS))
        return tuple(dict.fromkeys(fetches(expression.root, grid, context)))


class Prefetched:
    """Columns that have been read already, as a source.

    Args:
        columns: What was read for each fetch.
        beyond: Where to read what is not among them, as `info()` may need; an error if there is none.
    """

    def __init__(self, columns: Mapping[Fetch, Columns], beyond: SeriesSource | None = None) -> None:
        self._columns, self._beyond = columns, beyond

    def select(self, fetches: Sequence[Fetch]) -> list[Columns]:
        """The samples for each fetch; see `SeriesSource`."""
        missing = [fetch for fetch in fetches if fetch not in self._columns]
        if not missing:  # even an empty read would cost a rule more than its evaluation
            return [self._columns[fetch] for fetch in fetches]
        if self._beyond is None:
            raise QueryError("the query reads series that were not planned for")
        read = dict(zip(missing, self._beyond.select(missing), strict=True))
        return [read[fetch] if fetch in read else self._columns[fetch] for fetch in fetches]


def milliseconds(at: datetime | float) -> int:
    """A time as milliseconds of Unix time.

    Raises:
        QueryError: It is no time.
    """
    seconds = at.timestamp() if isinstance(at, datetime) else float(at)
    if not abs(seconds) < _FARTHEST_SECONDS:
        raise QueryError(f"{seconds} is no time that can be queried")
    return round(seconds * 1000)


def _grid(start: datetime | float, end: datetime | float, step: timedelta | float, text: str) -> Grid:
    first, last = milliseconds(start), milliseconds(end)
    width = round((step.total_seconds() if isinstance(step, timedelta) else step) * 1000)
    if width < 1:
        raise QueryError("the step of a query must be at least 1ms", text=text)
    if last < first:
        raise QueryError("the end of a query must not be before its start", text=text)
    return Grid(first, width, (last - first) // width + 1)


@contextmanager
def _located(expression: Expression) -> Iterator[None]:
    """Tell errors which text they are about."""
    try:
        with np.errstate(all="ignore"):  # NaN and infinities are values like any other here
            yield
    except QueryError as error:
        error.span = error.span or expression.root.span
        error.locate(expression.text)
        raise


def _evaluate(expression: Expression, context: Context, *, ranged: bool = False) -> Value:
    with _located(expression):
        context.budget.steps(context.grid.count)
        wanted = tuple(dict.fromkeys(fetches(expression.root, context.grid, context)))
        columns = context.source.select(wanted) if wanted else ()
        context = replace(context, fetched=dict(zip(wanted, columns, strict=True)))
        value = _value(Evaluator(context), expression.root, ranged=ranged)
    warnings, infos = context.annotations.render(expression.text)
    return replace(value, warnings=warnings, infos=infos)


def _value(evaluator: Evaluator, root: Node, *, ranged: bool) -> Value:
    grid = evaluator.context.grid
    match value_type(root):
        case "string":
            return String(grid.start, string_argument(root))
        case "matrix":
            return _samples(root, evaluator.windows(root, grid))
        case "scalar":
            numbers = evaluator.scalar(root, grid)
            if not ranged:
                return Scalar(grid.start, float(numbers[0]))
            return _over_time(row(ONE_SERIES, numbers), grid)
    frame = named_for_good(evaluator.vector(root, grid))
    if ranged:
        return _over_time(frame, grid)
    return Vector(grid.start, frame.series.labels, frame.values[:, 0])


def _over_time(frame: Frame, grid: Grid) -> Matrix:
    times = grid.times()
    return _sorted(
        Series(dict(labels), times[present], values[present])
        for labels, values, present in zip(frame.series.labels, frame.values, frame.present, strict=True)
        if present.any()
    )


def _samples(root: Node, windows: Windows) -> Matrix:
    """The samples of a range vector at one instant."""
    node = unwrap(root)
    extension = node.selector.extension if isinstance(node, MatrixSelector) else ""
    if extension:
        rows = extended_columns(windows, 0, smoothed=extension == "smoothed")
    else:
        parts = [slice(*bounds) for bounds in zip(windows.low[:, 0], windows.high[:, 0], strict=True)]
        rows = [(windows.timestamps[part], windows.values[part]) for part in parts]
    names = [
        without_metadata(labels) if nameless else labels
        for labels, nameless in zip(windows.series.labels, windows.nameless.tolist(), strict=True)
    ]
    return _sorted(
        Series(dict(labels), ts, values) for labels, (ts, values) in zip(names, rows, strict=True) if len(ts)
    )


def _sorted(series: Iterable[Series]) -> Matrix:
    return Matrix(tuple(sorted(series, key=lambda one: tuple(one.labels.items()))))
