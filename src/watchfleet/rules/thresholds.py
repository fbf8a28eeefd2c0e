"""Second thresholds: where an alert that fires is resolved, and where one that does not is pending."""

from typing import Final

from watchfleet.promql import Expression, parse
from watchfleet.promql.errors import Span
from watchfleet.promql.format import format_value
from watchfleet.promql.nodes import Binary, Node, Number, Paren

_UPWARD: Final = frozenset({">", ">="})
_DOWNWARD: Final = frozenset({"<", "<="})
_MIRRORED: Final = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


class ThresholdError(ValueError):
    """The expression has no threshold that could have a second one, or they are the wrong way round."""


def with_threshold(expression: Expression, threshold: float) -> Expression:
    """The expression with another threshold.

    The threshold is the number at one side of the outermost `>`, `>=`, `<` or `<=`; with `and` and
    `unless`, of the left side's.

    Args:
        expression: What a rule has as `expr`, its parameters bound.
        threshold: The number to put in its place.

    Raises:
        ThresholdError: There is no such comparison; or the new threshold lies behind the old one, so that
            it would not hold while the expression is true.
    """
    op, number = _comparison(expression.root)
    if (op in _UPWARD and threshold > number.value) or (op in _DOWNWARD and threshold < number.value):
        bound = "above" if op in _UPWARD else "below"
        raise ThresholdError(
            f"{format_value(threshold)} is {bound} the threshold {format_value(number.value)}, "
            "so it would not hold while the expression is true"
        )
    return parse(_replaced(expression.text, number.span, format_value(threshold)))


def _replaced(text: str, span: Span, literal: str) -> str:
    return f"{text[: span.start]}{literal}{text[span.end :]}"


def _comparison(node: Node) -> tuple[str, Number]:
    while isinstance(node, Paren) or (isinstance(node, Binary) and node.op in {"and", "unless"}):
        node = node.expr if isinstance(node, Paren) else node.left
    if isinstance(node, Binary) and node.op in _MIRRORED and not node.returns_bool:
        if isinstance(node.right, Number):
            return node.op, node.right
        if isinstance(node.left, Number):
            return _MIRRORED[node.op], node.left
    raise ThresholdError("the expression does not end in a comparison with a number, such as `> 0.9`")
