"""Which series a rule looks at: its expression without what filters them.

`node_load1 > 5` is empty for a host that is well and for a host that sends nothing any more. The expression
without its comparison tells the two apart: it has a series for each host that has data.
"""

from dataclasses import replace
from typing import Final

from watchfleet.promql import Expression
from watchfleet.promql.calls import absent_labels
from watchfleet.promql.nodes import (
    COMPARISONS,
    Aggregate,
    Binary,
    Call,
    Matching,
    Node,
    Number,
    Paren,
    String,
    Subquery,
    Unary,
    children,
    unwrap,
    value_type,
)
from watchfleet.promql.signatures import FUNCTIONS

_PICKING: Final = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_ABSENT: Final = frozenset({"absent", "absent_over_time"})


def without_filters(expression: Expression) -> Expression:
    """The expression with everything in it that drops series taken out.

    Its values mean nothing. It has a series for each one that the expression might have.
    """
    return Expression(expression.text, _open(expression.root))


def is_about_absence(expression: Expression) -> bool:
    """Whether the expression asks for what is not there, so that selectors without series are in order."""
    pending = [expression.root]
    while pending:
        node = pending.pop()
        if isinstance(node, Call) and node.function.name in _ABSENT:
            return True
        pending += children(node)
    return False


def _open(node: Node) -> Node:
    match node:
        case Paren() | Unary() | Subquery():
            return replace(node, expr=_open(node.expr))
        case Aggregate():
            return _open(node.expr) if node.op in _PICKING else replace(node, expr=_open(node.expr))
        case Call():
            return _open_call(node)
        case Binary():
            return _open_binary(node)
        case _:
            return node


def _open_call(node: Call) -> Node:
    if node.function.name in _ABSENT:
        return _always(node)
    return replace(node, args=tuple(_open(argument) for argument in node.args))


def _open_binary(node: Binary) -> Node:
    left, right = _open(node.left), _open(node.right)
    if node.op == "unless":
        return left
    if node.op in COMPARISONS and not node.returns_bool:
        return _compared(node, left, right)
    return replace(node, left=left, right=right)


def _compared(node: Binary, left: Node, right: Node) -> Node:
    """The series that are compared: those of a vector, or those of two that find each other."""
    is_vector = [value_type(side) == "vector" for side in (left, right)]
    if all(is_vector):
        return replace(node, op="-", left=left, right=right)
    vector, scalar = (left, right) if is_vector[0] else (right, left)
    needed = _vectors_in(scalar)
    for other in needed:
        vector = Binary("and", vector, other, node.span, "vector", matching=Matching(on=True))
    return vector


def _vectors_in(node: Node) -> list[Node]:
    """The vectors that a number is made of, as `scalar(x)` is of x."""
    if isinstance(node, Call) and node.function.name == "scalar":
        return [node.args[0]]
    return [found for child in children(node) for found in _vectors_in(child)]


def _always(node: Call) -> Node:
    """A series that is always there, with the labels that an `absent` would have."""
    one: Node = Call(FUNCTIONS["vector"], (Number(1.0, node.span),), node.span)
    for name, value in absent_labels(unwrap(node.args[0])):
        texts = (name, value.replace("$", "$$"), "", "")
        arguments = tuple(String(part, node.span) for part in texts)
        one = Call(FUNCTIONS["label_replace"], (one, *arguments), node.span)
    return one
