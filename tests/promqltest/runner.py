"""Runs scripts, as strictly as Prometheus runs them itself.

Each instant evaluation is repeated with its time fixed by `@` and asked for at other times, and as the middle
of a range query.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tests.promqltest.script import Broken, Clear, Eval, Load, read
from watchfleet.promql import (
    Expression,
    Limits,
    Matrix,
    MemorySeries,
    QueryError,
    Scalar,
    String,
    Value,
    Vector,
    instant,
    parse,
    plan,
    range_,
)
from watchfleet.promql.labels import Labels, format_labels, labels_of
from watchfleet.promql.nodes import At, Call, MatrixSelector, Node, Subquery, VectorSelector
from watchfleet.promql.source import matches

LIMITS = Limits(seconds=100)
TIME_DEPENDENT = frozenset({
    "days_in_month", "day_of_month", "day_of_week", "day_of_year", "end", "hour", "info", "minute", "month",
    "predict_linear", "range", "start", "step", "time", "timestamp", "year",
})  # fmt: skip


class MismatchError(Exception):
    """An evaluation gave something else than expected."""


@dataclass(slots=True)
class Outcome:
    """What came of a script's evaluations.

    Attributes:
        passed: How many were right.
        failures: What was wrong with the others, with file and line.
        native: Where native histograms are needed, which are not supported.
    """

    passed: int = 0
    failures: list[str] = field(default_factory=list)
    native: list[str] = field(default_factory=list)


def run(path: Path) -> Outcome:
    """Run a script."""
    outcome, source = Outcome(), MemorySeries()
    histograms: list[Labels] = []
    for command in read(path):
        match command:
            case Clear():
                source, histograms = MemorySeries(), []
            case Load():
                load(source, command)
                histograms += command.histograms
            case Broken():
                outcome.failures.append(f"{path}:{command.line}: {command.cause}")
            case Eval():
                judge(outcome, path, command, source, histograms)
    return outcome


def load(source: MemorySeries, command: Load) -> None:
    """Add the series of a `load`."""
    for labels, values in command.series.items():
        there = [(place * command.step, value) for place, value in enumerate(values) if value is not None]
        source.append(labels, [ts for ts, _ in there], [value for _, value in there])


def judge(
    outcome: Outcome, path: Path, command: Eval, source: MemorySeries, histograms: list[Labels]
) -> None:
    """Run one evaluation and note what came of it."""
    where = f"{path}:{command.line}: {command.expr}"
    if command.native or touches(command, histograms):
        outcome.native.append(where)
        return
    try:
        check(command, source)
    except (MismatchError, QueryError) as error:
        outcome.failures.append(f"{where}: {error}")
    else:
        outcome.passed += 1


def touches(command: Eval, histograms: list[Labels]) -> bool:
    """Whether an evaluation selects a series with native histograms."""
    try:
        fetches = plan(parse(command.expr), command.start / 1000, (command.end or command.start) / 1000, 60)
    except QueryError:
        return False
    return any(matches(labels, fetch.matchers) for fetch in fetches for labels in histograms)


def check(command: Eval, source: MemorySeries) -> None:
    """See to it that an evaluation gives what is expected, in every way to ask for it."""
    try:
        expression = parse(command.expr)
        if command.end is not None:
            _check_range(command, source, expression)
            return
        for variant, at in variants(expression, command.start):
            _check_instant(command, source, variant, at)
    except QueryError as error:
        _check_failure(command, error)
    else:
        if "fail" in command.says:
            raise MismatchError("it should have failed")


def _check_failure(command: Eval, error: QueryError) -> None:
    if "fail" not in command.says:
        raise error
    wordings = [error.cause, str(error)]
    if error.span is not None:  # as Prometheus words errors in duration expressions
        wordings.append(f"{error.span.start}:{error.span.end}: {error.cause}")
    if not any(expectation.fits(text) for expectation in command.says["fail"] for text in wordings):
        raise MismatchError(
            f"it should have failed with {command.says['fail'][0].text!r}, not {error.cause!r}"
        )


def _check_range(command: Eval, source: MemorySeries, expression: Expression) -> None:
    assert command.end is not None
    value = range_(
        source, expression, command.start / 1000, command.end / 1000, command.step / 1000, limits=LIMITS
    )
    if "fail" in command.says:
        return
    _check_remarks(command, value)
    _check_matrix(command, value, command.start, command.step)


def _check_instant(command: Eval, source: MemorySeries, expression: Expression, at: int) -> None:
    value = instant(source, expression, at / 1000, limits=LIMITS)
    if "fail" in command.says:
        raise MismatchError("it should have failed")
    _check_remarks(command, value)
    _check_value(command, value)
    if command.samples or isinstance(value, String) or "range()" in expression.text:
        return
    ranged = range_(source, expression, at / 1000 - 60, at / 1000 + 60, 60, limits=LIMITS)
    if "ordered" not in command.says:
        _check_value(command, _middle(ranged, at, scalar=isinstance(value, Scalar)))


def _middle(value: Matrix, at: int, *, scalar: bool) -> Value:
    """The part of a range query's result that is for one time."""
    found = [
        (labels_of(series.labels), series.values[series.timestamps == at][0])
        for series in value
        if at in series.timestamps
    ]
    if scalar:
        return Scalar(at, float(found[0][1]))
    return Vector(at, tuple(labels for labels, _ in found), np.array([number for _, number in found]))


def variants(expression: Expression, at: int) -> Iterator[tuple[Expression, int]]:
    """The expression, and itself with its time fixed, to be asked for at other times."""
    yield expression, at
    if _depends_on_time(expression.root):
        return
    fixed = parse(str(Expression("", _fixed(expression.root, at))))
    for other in (-10 * at, 0, at // 5, at, 10 * at) if at else (-1000, 0, 1000):
        yield fixed, other


def _depends_on_time(node: object) -> bool:
    if isinstance(node, Subquery) and node.at is not None:
        return False
    if isinstance(node, Call) and node.function.name in TIME_DEPENDENT:
        return True
    return any(_depends_on_time(part) for part in _parts(node))


def _parts(node: object) -> Iterator[object]:
    for name in getattr(node, "__slots__", ()):
        part = getattr(node, name)
        yield from part if isinstance(part, tuple) else (part,)


def _fixed(node: Node, at: int) -> Node:
    """The tree with `@ at` wherever a time is not fixed yet."""
    match node:
        case VectorSelector():
            return node if node.at else replace(node, at=At(at / 1000))
        case MatrixSelector():
            return replace(node, selector=_fixed(node.selector, at))
        case Subquery():
            return node if node.at else replace(node, at=At(at / 1000))
        case Call():
            return replace(node, args=tuple(_fixed(argument, at) for argument in node.args))
    changed = {
        name: _fixed(getattr(node, name), at)
        for name in ("expr", "left", "right", "param")
        if getattr(node, name, None) is not None
    }
    return replace(node, **changed)


def _check_remarks(command: Eval, value: Value) -> None:
    for kind, remarks in (("warn", value.warnings), ("info", value.infos)):
        expected = command.says.get(kind, [])
        if f"no_{kind}" in command.says and remarks:
            raise MismatchError(f"there should be no {kind}, but there is {remarks}")
        if expected and not remarks:
            raise MismatchError(f"there should be an {kind} annotation")
        for expectation in expected:
            if not any(expectation.fits(remark) for remark in remarks):
                raise MismatchError(f"no {kind} annotation is {expectation.text!r}: {remarks}")
        for remark in remarks if expected else ():
            if not any(expectation.fits(remark) for expectation in expected):
                raise MismatchError(f"unexpected {kind} annotation: {remark}")


def _check_value(command: Eval, value: Value) -> None:
    match value:
        case String():
            if value.value != command.string:
                raise MismatchError(f"expected the string {command.string!r}, got {value.value!r}")
        case Scalar():
            if command.scalar is None or not almost(command.scalar, value.value):
                raise MismatchError(f"expected {command.scalar}, got the scalar {value.value}")
        case Vector():
            _check_vector(command, value)
        case Matrix():
            if command.samples is None:
                raise MismatchError("expected no range vector")
            _check_matrix(command, value, *command.samples)


def _check_vector(command: Eval, value: Vector) -> None:
    if command.scalar is not None:
        raise MismatchError(f"expected the scalar {command.scalar}, got a vector")
    places = list(command.expected)
    for place, (labels, number) in enumerate(zip(value.labels, value.values.tolist(), strict=True)):
        if labels not in command.expected:
            raise MismatchError(f"unexpected {format_labels(labels)} with {number}")
        expected = command.expected[labels][0]
        if expected is None or not almost(expected, number):
            raise MismatchError(f"expected {expected} for {format_labels(labels)}, got {number}")
        if "ordered" in command.says and places[place] != labels:
            raise MismatchError(f"{format_labels(labels)} stands at place {place + 1}")
    for labels in command.expected:
        if labels not in value.labels:
            raise MismatchError(f"{format_labels(labels)} is missing")


def _check_matrix(command: Eval, value: Matrix, start: int, step: int) -> None:
    found = {labels_of(series.labels): series for series in value}
    if list(found) != sorted(found):
        raise MismatchError("the series are not sorted by their labels")
    for labels, series in found.items():
        if labels not in command.expected:
            raise MismatchError(f"unexpected {format_labels(labels)} with {series.values.tolist()}")
        expected = {
            start + place * step: number
            for place, number in enumerate(command.expected[labels])
            if number is not None
        }
        got = dict(zip(series.timestamps.tolist(), series.values.tolist(), strict=True))
        if expected.keys() != got.keys() or not all(almost(expected[ts], got[ts]) for ts in got):
            raise MismatchError(f"expected {expected} for {format_labels(labels)}, got {got}")
    for labels in command.expected:
        if labels not in found:
            raise MismatchError(f"{format_labels(labels)} is missing")


def almost(expected: float, got: float) -> bool:
    """Whether two numbers are equal as Prometheus's tests compare them: within a millionth."""
    if math.isnan(expected) or math.isnan(got):
        return math.isnan(expected) and math.isnan(got)
    if expected == got:
        return True
    total, difference = abs(expected) + abs(got), abs(expected - got)
    if expected == 0 or got == 0 or total < 2.2250738585072014e-308:
        return difference < 1e-6 * 2.2250738585072014e-308
    return difference / min(total, 1.7976931348623157e308) < 1e-6
