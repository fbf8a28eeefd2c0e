"""The grammar of PromQL as Prometheus 3.14 has it, by recursive descent and precedence climbing."""

from dataclasses import replace
from typing import Final

from watchfleet.promql.check import check
from watchfleet.promql.cursor import Cursor
from watchfleet.promql.durations import literal, offset_duration, positive_duration
from watchfleet.promql.errors import ParseError, Span
from watchfleet.promql.format import quote
from watchfleet.promql.labels import NAME
from watchfleet.promql.literals import unquote
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.modifiers import (
    binary_modifier,
    check_range,
    grouping,
    label_matchers,
    with_at,
    with_extension,
    with_offset,
)
from watchfleet.promql.nodes import (
    Aggregate,
    At,
    Binary,
    Call,
    MatrixSelector,
    Node,
    Number,
    Paren,
    String,
    Subquery,
    Unary,
    VectorSelector,
    depth,
    value_type,
)
from watchfleet.promql.signatures import AGGREGATIONS, FUNCTIONS, PARAMETER_TYPES, RENAMED

DEEPEST: Final = 100
"""How deep an expression may nest; real ones stay under ten."""
DEEPEST_TREE: Final = 250
"""How many operators and functions may depend on each other, as in `a + b + c`, where there are two."""
LONGEST_TEXT: Final = 200_000
"""Characters."""

_PRECEDENCE: Final = {
    "or": 1,
    "and": 2, "unless": 2,
    "==": 3, "!=": 3, ">": 3, "<": 3, ">=": 3, "<=": 3, "</": 3, ">/": 3,
    "+": 4, "-": 4,
    "*": 5, "/": 5, "%": 5, "atan2": 5,
    "^": 6,
}  # fmt: skip
_NOT_METRICS: Final = frozenset({"bool", "on", "ignoring", "group_left", "group_right", "atan2"})


def parse_node(text: str) -> Node:
    """The syntax tree of an expression, its types checked.

    Raises:
        ParseError: It is no expression; tells where and why.
    """
    try:
        return _checked(text)
    except ParseError as error:
        error.locate(text)
        raise


def _checked(text: str) -> Node:
    if len(text) > LONGEST_TEXT:
        raise ParseError(f"the expression is longer than {LONGEST_TEXT} characters")
    root = _Parser(text).parse()
    if depth(root) > DEEPEST_TREE:
        raise ParseError(f"more than {DEEPEST_TREE} operators depend on each other", root.span)
    check(root)
    return root


def parse_series_labels(text: str) -> tuple[Matcher, ...]:
    """The labels of a series that is written like a selector; no label at all is fine too.

    Raises:
        ParseError: It is malformed.
    """
    if not text.strip():
        return ()
    return _Parser(text).series()


class _Parser:
    def __init__(self, text: str) -> None:
        self._cursor = Cursor(text)
        self._depth = 0

    def parse(self) -> Node:
        if self._cursor.token.kind == "end":
            raise ParseError("no expression found in input", Span(0, 0))
        root = self._expression(1)
        if self._cursor.token.kind != "end":
            raise self._cursor.unexpected()
        return root

    def series(self) -> tuple[Matcher, ...]:
        selector = self._selector()
        if self._cursor.token.kind != "end":
            raise self._cursor.unexpected()
        return selector.matchers

    def _expression(self, least: int) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ParseError(f"the expression nests deeper than {DEEPEST} levels", self._cursor.token.span)
        left = self._unary()
        while op := self._operator(least):
            left = self._binary(left, op)
        self._depth -= 1
        return left

    def _operator(self, least: int) -> str:
        op = self._cursor.token.keyword or self._cursor.token.kind
        return op if _PRECEDENCE.get(op, 0) >= least else ""

    def _binary(self, left: Node, op: str) -> Binary:
        self._cursor.take()
        returns_bool, matching = binary_modifier(self._cursor)
        right = self._expression(_PRECEDENCE[op] + (op != "^"))
        span = Span(left.span.start, right.span.end)
        scalar = value_type(left) == value_type(right) == "scalar"
        return Binary(op, left, right, span, "scalar" if scalar else "vector", returns_bool, matching)

    def _unary(self) -> Node:
        sign = self._cursor.accept("+", "-")
        if sign is None:
            return self._postfix(self._primary())
        operand = self._expression(_PRECEDENCE["^"])
        span = Span(sign.span.start, operand.span.end)
        if isinstance(operand, Number):
            return replace(operand, value=-operand.value if sign.kind == "-" else operand.value, span=span)
        return Unary(sign.kind, operand, span, value_type(operand))

    def _postfix(self, node: Node) -> Node:
        cursor, start = self._cursor, node.span.start
        for _ in range(DEEPEST):
            if cursor.token.kind == "[":
                node = self._bracket(node)
            elif cursor.accept("@"):
                node = with_at(node, self._at(), cursor.since(start))
            elif cursor.accept_word("offset"):
                node = with_offset(node, offset_duration(cursor), cursor.since(start))
            elif cursor.accept_word("anchored"):
                node = with_extension(node, "anchored", cursor.since(start))
            elif cursor.accept_word("smoothed"):
                node = with_extension(node, "smoothed", cursor.since(start))
            else:
                return node
        raise ParseError("too many modifiers", cursor.token.span)

    def _bracket(self, node: Node) -> Node:
        cursor = self._cursor
        opening = cursor.take()
        width = positive_duration(cursor, "subquery or range selector")
        if cursor.accept(":"):
            here = cursor.token.kind == "]"
            step = None if here else positive_duration(cursor, "subquery selector")
            cursor.expect("]", "subquery selector", '"]"')
            return Subquery(node, width, step, cursor.since(node.span.start))
        cursor.expect("]", "subquery or range", '":" or "]"')
        selector = check_range(node, cursor.since(opening.span.start))
        return MatrixSelector(selector, width, cursor.since(node.span.start))

    def _at(self) -> At:
        cursor = self._cursor
        if word := cursor.accept_word("start", "end"):
            cursor.expect("(", "@", "timestamp")
            cursor.expect(")", "@", "timestamp")
            return At("start" if word == "start" else "end")
        start = cursor.token.span.start
        sign = cursor.accept("+", "-")
        if cursor.token.kind not in {"number", "duration"}:
            raise cursor.unexpected("@", "timestamp")
        value = literal(cursor)
        if not abs(value) < 2**63 / 1000:
            raise ParseError("timestamp out of bounds for @ modifier", cursor.since(start))
        return At(-value if sign is not None and sign.kind == "-" else value)

    def _primary(self) -> Node:
        cursor, token = self._cursor, self._cursor.token
        match token.kind:
            case "(":
                cursor.take()
                inner = self._expression(1)
                cursor.expect(")")
                return Paren(inner, cursor.since(token.span.start), value_type(inner))
            case "string":
                cursor.take()
                return String(unquote(token.text, token.span), token.span)
            case "number" | "duration":
                return Number(literal(cursor), token.span, token.kind == "duration")
            case "name" | "{":
                return self._named()
        raise cursor.unexpected()

    def _named(self) -> Node:
        token, following = self._cursor.token, self._cursor.following
        if token.keyword in AGGREGATIONS and (
            following.kind == "(" or following.keyword in {"by", "without"}
        ):
            return self._aggregate()
        if token.kind == "name" and following.kind == "(" and token.keyword not in {"offset"}:
            return self._call()
        return self._selector()

    def _aggregate(self) -> Aggregate:
        cursor = self._cursor
        op = cursor.take()
        word = cursor.accept_word("by", "without")
        labels = grouping(cursor) if word else ()
        args = self._arguments("aggregation")
        if not word:
            word = cursor.accept_word("by", "without")
            labels = grouping(cursor) if word else ()
        span = cursor.since(op.span.start)
        wanted = 1 + (op.keyword in PARAMETER_TYPES)
        if not args:
            raise ParseError("no arguments for aggregate expression provided", span)
        if len(args) != wanted:
            cause = "wrong number of arguments for aggregate expression provided"
            raise ParseError(f"{cause}, expected {wanted}, got {len(args)}", span)
        param = args[0] if wanted == 2 else None
        return Aggregate(op.keyword, args[-1], param, labels, word == "without", span)

    def _call(self) -> Call:
        name = self._cursor.take()
        function = FUNCTIONS.get(name.text)
        if function is None:
            now = RENAMED.get(name.text)
            mend = f", since Prometheus 3 it is {now}" if now else ""
            raise ParseError(f"unknown function with name {quote(name.text)}{mend}", name.span)
        args = self._arguments("")
        return Call(function, args, self._cursor.since(name.span.start))

    def _arguments(self, context: str) -> tuple[Node, ...]:
        cursor = self._cursor
        cursor.expect("(", context)
        args: list[Node] = []
        while not cursor.accept(")"):
            args.append(self._expression(1))
            if cursor.token.kind == ")":
                continue
            comma = cursor.expect(",", context)
            if cursor.token.kind == ")":
                raise ParseError("trailing commas not allowed in function call args", comma.span)
        return tuple(args)

    def _selector(self) -> VectorSelector:
        cursor = self._cursor
        start = cursor.token.span.start
        name = ""
        if cursor.token.kind == "name":
            if cursor.token.keyword in _NOT_METRICS:
                raise cursor.unexpected()
            name = cursor.take().text
        matchers = label_matchers(cursor) if cursor.token.kind == "{" else ()
        if name:
            matchers = (*matchers, Matcher(NAME, "=", name))
        return VectorSelector(name, matchers, cursor.since(start))
