"""What an expression will read, known before it is evaluated, so that one read can serve many."""

from collections.abc import Iterator
from typing import Final

from watchfleet.promql.context import Context
from watchfleet.promql.frame import Grid
from watchfleet.promql.nodes import (
    Aggregate,
    Call,
    MatrixSelector,
    Node,
    Subquery,
    VectorSelector,
    children,
)
from watchfleet.promql.source import Fetch, Summary

_SUMMARIES: Final = frozenset(
    f"{name}_over_time"
    for name in ("avg", "count", "first", "last", "max", "min", "present", "quantile", "sum")
)


def fetches(node: Node, grid: Grid, context: Context, function: str = "") -> Iterator[Fetch]:
    """Each read that evaluating the node needs.

    Args:
        node: The expression.
        grid: The times at which it is evaluated.
        context: The evaluation that it is a part of.
        function: The function or aggregation around it.
    """
    match node:
        case VectorSelector():
            yield instant_fetch(node, grid, context, function)
        case MatrixSelector():
            yield range_fetch(node, grid, context, function)
        case Subquery():
            inner = context.inner_grid(node, grid)
            if inner.count:
                yield from fetches(node.expr, inner, context)
        case Call():
            # The second argument of info() is not a selector but a set of conditions on labels.
            args = node.args[:1] if node.function.name == "info" else node.args
            for argument in args:
                yield from fetches(argument, grid, context, node.function.name)
        case _:
            inside = node.op if isinstance(node, Aggregate) else function
            for child in children(node):
                yield from fetches(child, grid, context, inside)


def instant_fetch(node: VectorSelector, grid: Grid, context: Context, function: str = "") -> Fetch:
    """What an instant selector reads."""
    references = context.references(node, grid)
    later = context.lookback if node.extension == "smoothed" else 0
    return Fetch(
        node.matchers,
        references.start - context.lookback - context.edge + 1,
        references.end + later,
        function,
        0,
        _step(references),
    )


def range_fetch(node: MatrixSelector, grid: Grid, context: Context, function: str = "") -> Fetch:
    """What a range selector reads, for a function that takes it."""
    selector = node.selector
    references = context.references(selector, grid)
    window = context.milliseconds(node.range)
    earlier = context.lookback if selector.extension else 0
    later = context.lookback if selector.extension == "smoothed" else 0
    return Fetch(
        selector.matchers,
        references.start - window - earlier - context.edge + 1,
        references.end + later,
        function,
        window,
        _step(references),
        None if selector.extension else _summary(function, window, references),
    )


def _summary(function: str, window: int, references: Grid) -> Summary | None:
    """What a function wants to know of its windows, if that is less than their samples."""
    name = function.removesuffix("_over_time")
    return Summary(name, window, _step(references)) if function in _SUMMARIES else None


def _step(references: Grid) -> int:
    return references.step if references.count > 1 else 0
