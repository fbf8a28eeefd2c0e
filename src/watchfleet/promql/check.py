"""Whether the parts of an expression fit together: types, numbers of arguments, modifiers."""

from collections.abc import Iterable

from watchfleet.promql.errors import ParseError, Span
from watchfleet.promql.format import quote
from watchfleet.promql.labels import NAME
from watchfleet.promql.nodes import (
    COMPARISONS,
    SET_OPERATORS,
    Aggregate,
    Binary,
    Call,
    Node,
    Subquery,
    Unary,
    VectorSelector,
    children,
    unwrap,
    value_type,
)
from watchfleet.promql.signatures import PARAMETER_TYPES, TYPE_NAMES, ValueType


def check(node: Node) -> None:
    """See to it that every part of the tree may stand where it stands.

    Raises:
        ParseError: One may not.
    """
    for child in _checked_children(node):
        check(child)
    match node:
        case Aggregate():
            _check_aggregate(node)
        case Binary():
            _check_binary(node)
        case Call():
            _check_call(node)
        case Unary():
            _check_unary(node)
        case Subquery():
            _check_subquery(node)
        case VectorSelector():
            _check_selector(node)


def _checked_children(node: Node) -> Iterable[Node]:
    """The parts to check; the second argument of `info` is none: it only holds matchers, maybe empty ones."""
    if isinstance(node, Call) and node.function.name == "info" and len(node.args) > 1:
        _check_info(node)
        return node.args[:1]
    return children(node)


def _check_unary(node: Unary) -> None:
    got = value_type(node.expr)
    if got not in {"scalar", "vector"}:
        cause = "unary expression only allowed on expressions of type scalar or instant vector"
        raise ParseError(f"{cause}, got {quote(TYPE_NAMES[got])}", node.span)


def _check_subquery(node: Subquery) -> None:
    got = value_type(node.expr)
    if got != "vector":
        raise ParseError(f"subquery is only allowed on instant vector, got {got} instead", node.span)


def _expect(node: Node, wanted: ValueType, context: str) -> None:
    got = value_type(node)
    if got != wanted:
        cause = f"expected type {TYPE_NAMES[wanted]} in {context}, got {TYPE_NAMES[got]}"
        raise ParseError(cause, node.span)


def _check_aggregate(node: Aggregate) -> None:
    _expect(node.expr, "vector", "aggregation expression")
    if node.param is not None:
        _expect(node.param, PARAMETER_TYPES[node.op], "aggregation parameter")


def _check_binary(node: Binary) -> None:
    left, right = value_type(node.left), value_type(node.right)
    between = Span(node.left.span.end, node.right.span.start)
    if node.returns_bool and node.op not in COMPARISONS:
        raise ParseError("bool modifier can only be used on comparison operators", between)
    if node.op in COMPARISONS and not node.returns_bool and left == right == "scalar":
        raise ParseError("comparisons between scalars must use BOOL modifier", between)
    for operand, kind in ((node.left, left), (node.right, right)):
        if kind not in {"scalar", "vector"}:
            cause = "binary expression must contain only scalar and instant vector types"
            raise ParseError(cause, operand.span)
    if node.op in SET_OPERATORS and "scalar" in {left, right}:
        raise ParseError(f"set operator {quote(node.op)} not allowed in binary scalar expression", node.span)
    _check_matching(node, both=left == right == "vector", between=between)


def _check_matching(node: Binary, *, both: bool, between: Span) -> None:
    matching = node.matching
    fills = matching.fill_left is not None or matching.fill_right is not None
    shared = [label for label in matching.labels if label in matching.include]
    if shared and matching.on:
        cause = f"label {quote(shared[0])} must not occur in ON and GROUP clause at once"
        raise ParseError(cause, between)
    if not both and matching.labels:
        raise ParseError("vector matching only allowed between instant vectors", node.span)
    if not both and fills:
        raise ParseError("filling in missing series only allowed between instant vectors", node.span)
    if node.op in SET_OPERATORS:
        if matching.group:
            raise ParseError(f"no grouping allowed for {quote(node.op)} operation", node.span)
        if fills:
            raise ParseError("filling in missing series not allowed for set operators", node.span)


def _check_call(node: Call) -> None:
    function, given = node.function, len(node.args)
    name, wanted = quote(function.name), len(function.takes)
    if function.extra == 0 and given != wanted:
        raise ParseError(f"expected {wanted} argument(s) in call to {name}, got {given}", node.span)
    if function.extra and given < wanted - 1:
        cause = f"expected at least {wanted - 1} argument(s) in call to {name}, got {given}"
        raise ParseError(cause, node.span)
    most = wanted - 1 + function.extra
    if function.extra > 0 and given > most:
        raise ParseError(f"expected at most {most} argument(s) in call to {name}, got {given}", node.span)
    for index, argument in enumerate(node.args):
        _expect(argument, function.takes[min(index, wanted - 1)], f"call to function {name}")


def _check_info(node: Call) -> None:
    labels = node.args[1]
    if not isinstance(labels, VectorSelector):
        raise ParseError("expected label selectors", labels.span)
    if labels.name:
        raise ParseError("expected label selectors, got vector selector", labels.span)


def _check_selector(node: VectorSelector) -> None:
    if node.name:
        for matcher in node.matchers[:-1]:
            if matcher.name == NAME:
                cause = f"metric name must not be set twice: {quote(node.name)} or {quote(matcher.value)}"
                raise ParseError(cause, node.span)
    elif all(matcher.matches("") for matcher in node.matchers):
        raise ParseError("vector selector must contain at least one non-empty matcher", node.span)


def string_argument(node: Node) -> str:
    """The text of an argument that check has found to be a string."""
    inner = unwrap(node)
    return getattr(inner, "value", "")
