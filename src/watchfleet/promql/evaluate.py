"""The evaluation of a syntax tree: each node at all times of a grid at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from watchfleet.promql import aggregate, binary, picking
from watchfleet.promql.calls import SCALAR_CALLS, call, remark_quantiles
from watchfleet.promql.check import string_argument
from watchfleet.promql.context import Context
from watchfleet.promql.errors import QueryError
from watchfleet.promql.extended import smoothed_at
from watchfleet.promql.frame import Frame, Grid, empty
from watchfleet.promql.nodes import (
    SET_OPERATORS,
    Aggregate,
    Binary,
    Call,
    MatrixSelector,
    Node,
    Number,
    Paren,
    Subquery,
    Unary,
    VectorSelector,
    unwrap,
    value_type,
)
from watchfleet.promql.operators import scalars
from watchfleet.promql.plan import instant_fetch, range_fetch
from watchfleet.promql.series import Floats, Ints
from watchfleet.promql.source import is_stale
from watchfleet.promql.windows import Windows, columns_of_frame, locate, windows_of


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """An instant selector's samples: the vector, and when each value was sampled, in milliseconds."""

    frame: Frame
    timestamps: Ints


class Evaluator:
    """Evaluates the nodes of one expression.

    Args:
        context: What the evaluation's parts share.
    """

    def __init__(self, context: Context) -> None:
        self.context = context

    def vector(self, node: Node, grid: Grid) -> Frame:
        """The value of an expression whose type is instant vector.

        Raises:
            QueryError: It has none; the error knows which part is to blame.
        """
        self.context.budget.tick()
        try:
            frame = self._vector(unwrap(node), grid)
            self.context.budget.hold(frame.rows, grid.count)
        except QueryError as error:
            error.span = error.span or node.span
            raise
        return frame

    def _vector(self, node: Node, grid: Grid) -> Frame:
        match node:
            case VectorSelector():
                return self.sampled(node, grid).frame
            case Call():
                return call(self, node, grid)
            case Aggregate():
                return self._aggregate(node, grid)
            case Binary():
                return self._binary(node, grid)
            case Unary():
                return self._signed(node, grid)
        raise QueryError("this is no instant vector", node.span)

    def scalar(self, node: Node, grid: Grid) -> Floats:
        """The value of an expression whose type is scalar, one number for each time.

        Raises:
            QueryError: It has none.
        """
        match node:
            case Number():
                return np.full(grid.count, node.value)
            case Paren():
                return self.scalar(node.expr, grid)
            case Unary():
                value = self.scalar(node.expr, grid)
                return -value if node.op == "-" else value
            case Binary():
                return self._scalar_binary(node, grid)
            case Call():
                return SCALAR_CALLS[node.function.name](self, node, grid)
        raise QueryError("this is no scalar", node.span)

    def _scalar_binary(self, node: Binary, grid: Grid) -> Floats:
        left, right = self.scalar(node.left, grid), self.scalar(node.right, grid)
        try:
            return scalars(node.op, left, right)
        except QueryError as error:
            error.span = node.span
            raise

    def sampled(self, node: VectorSelector, grid: Grid) -> Sampled:
        """What an instant selector sees: each series' latest sample that is not older than the look-back.

        Raises:
            QueryLimitError: They are too many.
        """
        columns = self.context.columns(instant_fetch(node, grid, self.context), node.span)
        self.context.budget.hold(len(columns.series), grid.count)
        references = self.context.references(node, grid).times()
        shape = (len(columns.series), grid.count)
        if not len(columns.values):
            return Sampled(empty(grid.count), np.empty((0, grid.count), np.int64))
        if node.extension == "smoothed":
            return self._smoothed(node, grid)
        place = locate(columns, references) - 1
        ts, values = columns.timestamps[place], columns.values[place]
        present = (place >= columns.offsets[:-1, None]) & (
            ts > references - self.context.lookback - self.context.edge
        )
        present &= ~is_stale(values)
        frame = Frame(
            columns.series,
            np.broadcast_to(values, shape),
            np.broadcast_to(present, shape),
            np.zeros(shape[0], bool),
        )
        return Sampled(frame, np.broadcast_to(ts, shape))

    def _smoothed(self, node: VectorSelector, grid: Grid) -> Sampled:
        context = self.context
        columns = context.columns(instant_fetch(node, grid, context), node.span)
        references = context.references(node, grid).times()
        windows = windows_of(
            columns,
            np.zeros(len(columns.series), bool),
            references=references,
            width=context.lookback,
            times=grid.times(),
            budget=context.budget,
            after=context.lookback,
        )
        values, present = np.zeros(windows.low.shape), np.zeros(windows.low.shape, bool)
        for row, step in np.argwhere(windows.counts > 0).tolist():
            part = slice(int(windows.low[row, step]), int(windows.high[row, step]))
            points = windows.timestamps[part].tolist(), windows.values[part].tolist()
            value = smoothed_at(points, int(windows.ends[step]), context.lookback)
            if value is not None:
                values[row, step], present[row, step] = value, True
        frame = Frame(windows.series, values, present, windows.nameless)
        return Sampled(frame, np.broadcast_to(windows.ends, values.shape))

    def windows(self, node: Node, grid: Grid, function: str = "") -> Windows:
        """The value of an expression whose type is range vector.

        Args:
            node: The expression.
            grid: The times at which it is evaluated.
            function: What takes it, which may do without the samples themselves.

        Raises:
            QueryError: It has none.
        """
        node = unwrap(node)
        if isinstance(node, Subquery):
            return self._subquery(node, grid)
        if not isinstance(node, MatrixSelector):
            raise QueryError("this is no range vector", node.span)
        context, selector = self.context, node.selector
        columns = context.columns(range_fetch(node, grid, context, function), node.span)
        return windows_of(
            columns,
            np.zeros(len(columns.series), bool),
            references=context.references(selector, grid).times(),
            width=context.milliseconds(node.range),
            times=grid.times(),
            budget=context.budget,
            before=context.lookback if selector.extension else context.edge,
            after=context.lookback if selector.extension == "smoothed" else 0,
        )

    def _subquery(self, node: Subquery, grid: Grid) -> Windows:
        context = self.context
        inner = context.inner_grid(node, grid)
        frame = self.vector(node.expr, inner) if inner.count else empty(0)
        return windows_of(
            columns_of_frame(frame, inner),
            frame.nameless,
            references=context.references(node, grid).times(),
            width=context.milliseconds(node.range),
            times=grid.times(),
            budget=context.budget,
            before=context.edge,
        )

    def _signed(self, node: Unary, grid: Grid) -> Frame:
        frame = self.vector(node.expr, grid)
        if node.op == "+":
            return frame
        return Frame(frame.series, -frame.values, frame.present, np.ones(frame.rows, bool))

    def _binary(self, node: Binary, grid: Grid) -> Frame:
        remarks = self.context.annotations
        if value_type(node.left) == "scalar":
            left, frame = self.scalar(node.left, grid), self.vector(node.right, grid)
            return binary.with_scalar(node, frame, left, scalar_first=True, remarks=remarks)
        frame = self.vector(node.left, grid)
        if value_type(node.right) == "scalar":
            right = self.scalar(node.right, grid)
            return binary.with_scalar(node, frame, right, scalar_first=False, remarks=remarks)
        other = self.vector(node.right, grid)
        if node.op in SET_OPERATORS:
            return binary.as_sets(node, frame, other)
        return binary.with_vector(node, frame, other, self.context.budget, remarks)

    def _aggregate(self, node: Aggregate, grid: Grid) -> Frame:
        budget, labels = self.context.budget, node.labels
        if node.op == "count_values" and node.param is not None:
            label = string_argument(node.param)
            frame = self.vector(node.expr, grid)
            return aggregate.count_values(label, frame, labels, budget, without=node.without)
        param = np.zeros(grid.count) if node.param is None else self.scalar(node.param, grid)
        frame = self.vector(node.expr, grid)
        if node.op in _PICKERS:
            return _PICKERS[node.op](self, node, frame, param)
        if node.op == "quantile" and node.param is not None:
            remark_quantiles(self, param, node.param)
        return aggregate.aggregated(node.op, frame, labels, param, budget, without=node.without)


def _best(_evaluator: Evaluator, node: Aggregate, frame: Frame, param: Floats) -> Frame:
    groups = frame.series.groups(without=node.without, names=node.labels)
    return picking.best(frame, groups, picking.counted(param), largest=node.op == "topk")


def _first(_evaluator: Evaluator, node: Aggregate, frame: Frame, param: Floats) -> Frame:
    groups = frame.series.groups(without=node.without, names=node.labels)
    return picking.first(frame, groups, picking.counted(param))


def _share(evaluator: Evaluator, node: Aggregate, frame: Frame, param: Floats) -> Frame:
    span = (node.param or node).span
    return picking.share(frame, param, evaluator.context.annotations, span)


_PICKERS: dict[str, Callable[[Evaluator, Aggregate, Frame, Floats], Frame]] = {
    "topk": _best,
    "bottomk": _best,
    "limitk": _first,
    "limit_ratio": _share,
}
