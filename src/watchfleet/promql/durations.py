"""Durations in expressions: plain ones, and arithmetic that depends on the query's step and range."""

import math
import operator
from collections.abc import Callable
from typing import Final

from watchfleet.promql.cursor import Cursor
from watchfleet.promql.errors import ParseError, QueryError, Span
from watchfleet.promql.literals import LONGEST, number_of, seconds_of
from watchfleet.promql.nodes import Duration, DurationMath

_EXPECTED: Final = "number, duration, step(), or range()"
_PRECEDENCE: Final = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
_DEEPEST: Final = 50
_MOST_TOKENS: Final = 200
"""Of one duration; as deep as that its tree may be, however it is written."""


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except ValueError:
        return math.nan


_OPERATIONS: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "^": _power,
    "min_of": min,
    "max_of": max,
}


def literal(cursor: Cursor) -> float:
    """Read a number or a duration as seconds.

    Raises:
        ParseError: The duration's units are out of order, or it is too long.
    """
    token = cursor.take()
    value = number_of(token.text) if token.kind == "number" else seconds_of(token.text)
    if value is None:
        raise ParseError(f'not a valid duration string: "{token.text}"', token.span)
    if token.kind == "duration" and value > LONGEST:
        raise ParseError("duration out of range", token.span)
    return value


def positive_duration(cursor: Cursor, context: str) -> Duration:
    """Read a range or a step: a full duration expression, more than zero where that is known.

    Raises:
        ParseError: It is none.
    """
    start, before = cursor.token.span.start, cursor.place
    duration = _sum(cursor, context, 1, 0)
    _check_length(cursor, before, start)
    if isinstance(duration, float) and duration <= 0:
        raise ParseError("duration must be greater than 0", cursor.since(start))
    return _in_range(duration, cursor.since(start))


def offset_duration(cursor: Cursor) -> Duration:
    """Read an offset: one literal or one primary with its sign; `offset 1m + 1m` adds to the vector.

    Raises:
        ParseError: It is none.
    """
    start, before = cursor.token.span.start, cursor.place
    sign = cursor.accept("+", "-")
    duration = _primary(cursor, "offset", 0)
    _check_length(cursor, before, start)
    if sign is not None and sign.kind == "-":
        duration = _negative(duration, cursor.since(start))
    return _in_range(duration, cursor.since(start))


def _sum(cursor: Cursor, context: str, least: int, depth: int) -> Duration:
    start = cursor.token.span.start
    left = _signed(cursor, context, depth + 1)
    while _PRECEDENCE.get(cursor.token.kind, 0) >= least:
        sign = cursor.take()
        precedence = _PRECEDENCE[sign.kind]
        right = _sum(cursor, context, precedence + (sign.kind != "^"), depth + 1)
        if sign.kind in "/%" and right == 0:
            raise ParseError("division by zero" if sign.kind == "/" else "modulo by zero", sign.span)
        left = DurationMath(sign.kind, left, right, cursor.since(start))
    return left


def _signed(cursor: Cursor, context: str, depth: int) -> Duration:
    start = cursor.token.span.start
    if depth > _DEEPEST:
        raise ParseError("the duration is nested too deeply", cursor.token.span)
    sign = cursor.accept("+", "-")
    if sign is None:
        return _primary(cursor, context, depth)
    operand = _sum(cursor, context, _PRECEDENCE["^"], depth + 1)
    return _negative(operand, cursor.since(start)) if sign.kind == "-" else operand


def _primary(cursor: Cursor, context: str, depth: int) -> Duration:
    if cursor.token.kind in {"number", "duration"}:
        return literal(cursor)
    start = cursor.token.span.start
    if cursor.accept("("):
        inner = _sum(cursor, context, 1, depth + 1)
        cursor.expect(")")
        return inner
    if word := cursor.accept_word("step", "range"):
        cursor.expect("(")
        cursor.expect(")")
        return DurationMath(word, None, None, cursor.since(start))
    if word := cursor.accept_word("min_of", "max_of"):
        cursor.expect("(")
        left = _sum(cursor, context, 1, depth + 1)
        cursor.expect(",")
        right = _sum(cursor, context, 1, depth + 1)
        cursor.expect(")")
        return DurationMath(word, left, right, cursor.since(start))
    raise cursor.unexpected(context, _EXPECTED)


def _check_length(cursor: Cursor, before: int, start: int) -> None:
    if cursor.place - before > _MOST_TOKENS:
        raise ParseError(f"the duration has more than {_MOST_TOKENS} parts", cursor.since(start))


def _negative(duration: Duration, span: Span) -> Duration:
    return -duration if isinstance(duration, float) else DurationMath("-", None, duration, span)


def _in_range(duration: Duration, span: Span) -> Duration:
    if isinstance(duration, float) and not abs(duration) <= LONGEST:
        raise ParseError("duration out of range", span)
    return duration


def evaluate_duration(duration: DurationMath, *, step: float, query_range: float, negative: bool) -> float:
    """What a duration expression comes to, in whole milliseconds given as seconds.

    Args:
        duration: The expression.
        step: The query's step in seconds, 0 for an instant query.
        query_range: From the query's start to its end, in seconds.
        negative: Whether zero and less are allowed, as for offsets.

    Raises:
        QueryError: It is not a number, too long, or not more than zero although it must be.
    """
    seconds = _evaluate(duration, {"step": step, "range": query_range})
    if not math.isfinite(seconds):
        raise QueryError("duration is NaN or infinite", duration.span)
    if seconds <= 0 and not negative:
        raise QueryError("duration must be greater than 0", duration.span)
    if abs(seconds) > LONGEST:
        raise QueryError("duration is out of range", duration.span)
    return math.trunc(seconds * 1000) / 1000


def _evaluate(duration: Duration | None, names: dict[str, float]) -> float:
    if not isinstance(duration, DurationMath):
        return duration or 0.0
    if duration.op in names:
        return names[duration.op]
    left, right = _evaluate(duration.left, names), _evaluate(duration.right, names)
    if duration.op in "/%":
        return _divide(duration, left, right)
    try:
        return _OPERATIONS[duration.op](left, right)
    except OverflowError:
        return math.inf


def _divide(duration: DurationMath, left: float, right: float) -> float:
    if right == 0:
        cause = "division by zero" if duration.op == "/" else "modulo by zero"
        raise QueryError(cause, duration.span)
    return left / right if duration.op == "/" else math.fmod(left, right)
