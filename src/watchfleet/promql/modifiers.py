"""What stands around operators and selectors: matching, grouping, matchers, offset, `@`."""

from dataclasses import replace
from typing import Any, Final

from watchfleet.patterns import PatternError
from watchfleet.promql.cursor import Cursor
from watchfleet.promql.durations import literal
from watchfleet.promql.errors import ParseError, Span
from watchfleet.promql.format import quote
from watchfleet.promql.labels import NAME
from watchfleet.promql.literals import unquote
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.names import is_label_name
from watchfleet.promql.nodes import (
    At,
    Duration,
    Extension,
    Matching,
    MatrixSelector,
    Node,
    Subquery,
    VectorSelector,
)

_PRECEDED: Final = (
    "modifier must be preceded by an instant vector selector or range vector selector or a subquery"
)


def binary_modifier(cursor: Cursor) -> tuple[bool, Matching]:
    """Read what may follow a binary operator: `bool`, `on`, `ignoring`, `group_left`, `fill` and so on.

    Raises:
        ParseError: A part of it is malformed.
    """
    returns_bool = bool(cursor.accept_word("bool"))
    matching = Matching()
    if word := cursor.accept_word("on", "ignoring"):
        matching = replace(matching, on=word == "on", labels=grouping(cursor))
        if side := cursor.accept_word("group_left", "group_right"):
            include = grouping(cursor) if cursor.token.kind == "(" else ()
            matching = replace(matching, group="left" if side == "group_left" else "right", include=include)
    for _ in range(2):
        matching = _fill(cursor, matching)
    return returns_bool, matching


def _fill(cursor: Cursor, matching: Matching) -> Matching:
    word = cursor.token.keyword
    if word not in {"fill", "fill_left", "fill_right"} or cursor.following.kind != "(":
        return matching
    taken = {"fill_left": matching.fill_left, "fill_right": matching.fill_right}
    if taken.get(word) is not None or (word == "fill" and any(side is not None for side in taken.values())):
        raise cursor.unexpected()
    cursor.take()
    value = _fill_value(cursor)
    return replace(
        matching,
        fill_left=matching.fill_left if word == "fill_right" else value,
        fill_right=matching.fill_right if word == "fill_left" else value,
    )


def _fill_value(cursor: Cursor) -> float:
    cursor.expect("(")
    sign = cursor.accept("+", "-")
    if cursor.token.kind not in {"number", "duration"}:
        raise cursor.unexpected("fill", "number")
    value = literal(cursor)
    cursor.expect(")")
    return -value if sign is not None and sign.kind == "-" else value


def grouping(cursor: Cursor) -> tuple[str, ...]:
    """Read a list of labels in parentheses.

    Raises:
        ParseError: It is malformed.
    """
    cursor.expect("(", "grouping opts", '"("')
    labels: list[str] = []
    while not cursor.accept(")"):
        labels.append(_grouping_label(cursor))
        if cursor.token.kind != ")":
            cursor.expect(",", "grouping opts", '"," or ")"')
    return tuple(labels)


def _grouping_label(cursor: Cursor) -> str:
    token = cursor.token
    if token.kind not in {"name", "string"}:
        raise cursor.unexpected("grouping opts", "label")
    cursor.take()
    label = unquote(token.text, token.span) if token.kind == "string" else token.text
    if not is_label_name(label):
        raise ParseError(f"invalid label name for grouping: {quote(label)}", token.span)
    return label


def label_matchers(cursor: Cursor) -> tuple[Matcher, ...]:
    """Read the matchers in braces.

    Raises:
        ParseError: One is malformed.
    """
    cursor.expect("{")
    matchers: list[Matcher] = []
    while not cursor.accept("}"):
        matchers.append(_label_matcher(cursor))
        if cursor.token.kind != "}":
            cursor.expect(",", "label matching", '"," or "}"')
    return tuple(matchers)


def _label_matcher(cursor: Cursor) -> Matcher:
    name = cursor.token
    if name.kind not in {"name", "string"}:
        raise cursor.unexpected("label matching", 'identifier or "}"')
    cursor.take()
    label = unquote(name.text, name.span) if name.kind == "string" else name.text
    if name.kind == "string" and cursor.token.kind in {",", "}"}:
        return Matcher(NAME, "=", label)
    op = cursor.accept("=", "!=", "=~", "!~")
    if op is None:
        raise cursor.unexpected("label matching", "label matching operator")
    value = cursor.expect("string", "label matching", "string")
    try:
        return Matcher(label, op.kind, unquote(value.text, value.span))  # type: ignore[arg-type]  # one of the four
    except PatternError as error:
        cause = f"invalid regular expression {value.text}: {error}"
        raise ParseError(cause, Span(name.span.start, value.span.end)) from error


def with_offset(node: Node, offset: Duration, span: Span) -> Node:
    """The selector or subquery with its offset set.

    Raises:
        ParseError: The node is neither, or has an offset.
    """
    if _target(node, "offset").offset != 0:
        raise ParseError("offset may not be set multiple times", span)
    return _changed(node, span, offset=offset)


def with_at(node: Node, at: At, span: Span) -> Node:
    """The selector or subquery with its `@` set.

    Raises:
        ParseError: The node is neither, or has one.
    """
    if _target(node, "@").at is not None:
        raise ParseError("@ <timestamp> may not be set multiple times", span)
    return _changed(node, span, at=at)


def with_extension(node: Node, extension: Extension, span: Span) -> Node:
    """The selector with `anchored` or `smoothed` set.

    Raises:
        ParseError: The node is no selector, or has the other one.
    """
    target = _target(node, extension)
    if isinstance(target, Subquery):
        raise ParseError(f"{extension} modifier is not supported for subqueries", span)
    if target.extension not in {"", extension}:
        raise ParseError("anchored and smoothed modifiers cannot be used together", span)
    return _changed(node, span, extension=extension)


def _target(node: Node, modifier: str) -> VectorSelector | Subquery:
    """What a modifier after the node applies to."""
    if isinstance(node, MatrixSelector):
        return node.selector
    if isinstance(node, VectorSelector | Subquery):
        return node
    raise ParseError(f"{modifier} {_PRECEDED}", node.span)


def _changed(node: Node, span: Span, **changes: Any) -> Node:
    if isinstance(node, MatrixSelector):
        return replace(node, selector=replace(node.selector, **changes), span=span)
    return replace(node, span=span, **changes)


def check_range(node: Node, span: Span) -> VectorSelector:
    """The selector that a range stands after: nothing else may have one.

    Raises:
        ParseError: It follows something else.
    """
    if not isinstance(node, VectorSelector):
        raise ParseError("ranges only allowed for vector selectors", span)
    if node.offset != 0:
        raise ParseError("no offset modifiers allowed before range", span)
    if node.at is not None:
        raise ParseError("no @ modifiers allowed before range", span)
    return node
