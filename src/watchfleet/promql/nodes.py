"""The syntax tree of an expression."""

from dataclasses import dataclass
from typing import Final, Literal

from watchfleet.promql.errors import Span
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.signatures import Function, ValueType

Extension = Literal["", "anchored", "smoothed"]
"""How a selector treats the edges of its range; empty is Prometheus's usual way."""


@dataclass(frozen=True, slots=True, eq=False)
class DurationMath:
    """A duration that only the query's times make definite, such as `5m + step()`.

    Attributes:
        op: An operator, or `step`, `range`, `min_of`, `max_of`.
        left: The left operand; None for a sign and for `step()` and `range()`.
        right: The right operand; None for `step()` and `range()`.
    """

    op: str
    left: "Duration | None"
    right: "Duration | None"
    span: Span


Duration = float | DurationMath
"""Seconds, or what to compute them from."""


@dataclass(frozen=True, slots=True, eq=False)
class At:
    """The `@` modifier: Unix seconds, or the query's own start or end."""

    when: float | Literal["start", "end"]


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A number; `duration` if it was written as one, such as `5m` for 300."""

    value: float
    span: Span
    duration: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class String:
    """A string; bytes that are not UTF-8 are carried as Python's surrogateescape does."""

    value: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class VectorSelector:
    """An instant selector. `matchers` holds the metric's name too, if it was written before the braces."""

    name: str
    matchers: tuple[Matcher, ...]
    span: Span
    offset: Duration = 0.0
    at: At | None = None
    extension: Extension = ""


@dataclass(frozen=True, slots=True, eq=False)
class MatrixSelector:
    """A range selector, left-open: it takes samples later than `range` ago, up to now."""

    selector: VectorSelector
    range: Duration
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Subquery:
    """An instant expression evaluated every `step` (None: the default) over the last `range`."""

    expr: "Node"
    range: Duration
    step: Duration | None
    span: Span
    offset: Duration = 0.0
    at: At | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Unary:
    """A sign before an expression."""

    op: str
    expr: "Node"
    span: Span
    type: ValueType


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """How the series of two vectors find each other.

    Attributes:
        on: Whether `labels` are all that counts (`on`), or all that does not (`ignoring`).
        labels: The labels of `on` or `ignoring`.
        group: Which side may have many series for one of the other: `left`, `right`, or neither.
        include: Labels that the result takes from the "one" side.
        fill_left: Stands in for a series that the left side lacks.
        fill_right: Stands in for a series that the right side lacks.
    """

    on: bool = False
    labels: tuple[str, ...] = ()
    group: Literal["", "left", "right"] = ""
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    """Two expressions and an operator. `returns_bool`: a comparison that answers 0 or 1."""

    op: str
    left: "Node"
    right: "Node"
    span: Span
    type: ValueType
    returns_bool: bool = False
    matching: Matching = Matching()


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """An aggregation over the series of a vector, in groups by some labels or by all the others."""

    op: str
    expr: "Node"
    param: "Node | None"
    labels: tuple[str, ...]
    without: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function and its arguments."""

    function: Function
    args: tuple["Node", ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Paren:
    """An expression in parentheses."""

    expr: "Node"
    span: Span
    type: ValueType


Node = (
    Number | String | VectorSelector | MatrixSelector | Subquery | Unary | Binary | Aggregate | Call | Paren
)

COMPARISONS: Final = frozenset({"==", "!=", ">", "<", ">=", "<="})
SET_OPERATORS: Final = frozenset({"and", "or", "unless"})
TRIMS: Final = frozenset({"</", ">/"})
"""They cut native histograms, which are not stored; floats pass none of them."""


def value_type(node: Node) -> ValueType:
    """What evaluating the node gives."""
    match node:
        case Number():
            return "scalar"
        case String():
            return "string"
        case VectorSelector() | Aggregate():
            return "vector"
        case MatrixSelector() | Subquery():
            return "matrix"
        case Call():
            return node.function.returns
        case Unary() | Paren() | Binary():
            return node.type


def depth(root: Node) -> int:
    """How many nodes stand one in another; counted without recursion, so that any tree can be."""
    deepest, pending = 0, [(root, 1)]
    while pending:
        node, level = pending.pop()
        deepest = max(deepest, level)
        pending += [(child, level + 1) for child in children(node)]
    return deepest


def children(node: Node) -> tuple[Node, ...]:
    """The expressions that a node is made of."""
    match node:
        case Unary() | Paren() | Subquery():
            return (node.expr,)
        case MatrixSelector():
            return (node.selector,)
        case Binary():
            return (node.left, node.right)
        case Aggregate():
            return (node.expr,) if node.param is None else (node.param, node.expr)
        case Call():
            return node.args
        case _:
            return ()


def unwrap(node: Node) -> Node:
    """The node without parentheses around it."""
    while isinstance(node, Paren):
        node = node.expr
    return node
