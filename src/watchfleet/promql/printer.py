"""Expressions as text, the way Prometheus writes them."""

import math
from typing import Final

from watchfleet.promql.format import format_value, quote
from watchfleet.promql.names import is_legacy_name
from watchfleet.promql.nodes import (
    Aggregate,
    At,
    Binary,
    Call,
    Duration,
    DurationMath,
    MatrixSelector,
    Node,
    Number,
    Paren,
    String,
    Subquery,
    Unary,
    VectorSelector,
    children,
)

_WIDEST: Final = 100
"""Characters that stay on one line."""
_UNITS: Final = (
    ("y", 31_536_000_000), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000),
    ("s", 1000), ("ms", 1),
)  # fmt: skip


def format_node(node: Node) -> str:
    """The expression on one line."""
    match node:
        case Number() | String():
            return _literal(node)
        case VectorSelector() | MatrixSelector() | Subquery():
            return _selection(node)
        case Binary():
            return f"{format_node(node.left)} {_operator(node)} {format_node(node.right)}"
        case Aggregate() | Call():
            return f"{_head(node)}({', '.join(map(format_node, children(node)))})"
        case Paren():
            return f"({format_node(node.expr)})"
    return node.op + format_node(node.expr)


def prettify(node: Node, level: int = 0) -> str:
    """The expression for people: broken into lines where it is wider than 100 characters."""
    indent, plain = "  " * level, format_node(node)
    if len(plain) <= _WIDEST:
        return indent + plain
    match node:
        case Aggregate() | Call() | Paren():
            return _broken(indent + _head(node), children(node), level)
        case Binary():
            left, right = prettify(node.left, level + 1), prettify(node.right, level + 1)
            return f"{left}\n{indent}{_operator(node)}\n{right}"
        case Subquery():
            return prettify(node.expr, level) + _subquery(node)
        case Unary():
            return indent + node.op + prettify(node.expr, level).strip()
    return indent + plain


def _head(node: Aggregate | Call | Paren) -> str:
    """What stands before the parentheses."""
    match node:
        case Aggregate():
            return _aggregation(node)
        case Call():
            return node.function.name
    return ""


def _broken(head: str, args: tuple[Node, ...], level: int) -> str:
    inside = ",\n".join(prettify(argument, level + 1) for argument in args)
    return f"{head}(\n{inside}\n{'  ' * level})"


def format_duration(duration: Duration) -> str:
    """A duration as Prometheus writes it, such as `1h30m`."""
    if isinstance(duration, DurationMath):
        return _duration_math(duration)
    sign = "-" if duration < 0 else ""
    rest = math.trunc(round(abs(duration) * 1e9) / 1e6)
    parts = []
    for unit, size in _UNITS:
        if unit in {"y", "w"} and rest % size:
            continue
        count, rest = divmod(rest, size)
        parts.append(f"{count}{unit}" if count else "")
    return sign + ("".join(parts) or "0s")


def _duration_math(duration: DurationMath) -> str:
    if duration.left is None and duration.right is None:
        return f"{duration.op}()"
    left = "" if duration.left is None else _operand(duration.left)
    right = "" if duration.right is None else _operand(duration.right)
    if duration.op in {"min_of", "max_of"}:
        return f"{duration.op}({left}, {right})"
    return f"{left} {duration.op} {right}" if left else f"{duration.op}{right}"


def _operand(duration: Duration) -> str:
    text = format_duration(duration)
    compound = isinstance(duration, DurationMath) and duration.op in {"+", "-", "*", "/", "%", "^"}
    return f"({text})" if compound else text


def _literal(node: Number | String) -> str:
    if isinstance(node, String):
        return quote(node.value)
    return format_duration(node.value) if node.duration else format_value(node.value)


def _selector(node: VectorSelector) -> str:
    matchers = node.matchers[:-1] if node.name else node.matchers
    if not matchers and node.name:
        return node.name
    return f"{node.name}{{{','.join(map(str, matchers))}}}"


def _selection(node: VectorSelector | MatrixSelector | Subquery) -> str:
    match node:
        case VectorSelector():
            return _selector(node) + _modifiers(node)
        case MatrixSelector():
            selector = node.selector
            return f"{_selector(selector)}[{format_duration(node.range)}]{_modifiers(selector)}"
    return format_node(node.expr) + _subquery(node)


def _modifiers(node: VectorSelector | Subquery) -> str:
    extension = node.extension if isinstance(node, VectorSelector) else ""
    offset = ""
    if isinstance(node.offset, DurationMath):
        offset = f" offset {_offset_math(node.offset)}"
    elif node.offset != 0:
        offset = f" offset {format_duration(node.offset)}"
    return (f" {extension}" if extension else "") + _at(node.at) + offset


def _offset_math(duration: DurationMath) -> str:
    """An offset's arithmetic; it needs parentheses, or it would apply to the vector."""
    text = format_duration(duration)
    return text if duration.op in {"step", "range", "min_of", "max_of"} else f"({text})"


def _at(at: At | None) -> str:
    if at is None:
        return ""
    return f" @ {at.when}()" if isinstance(at.when, str) else f" @ {at.when:.3f}"


def _subquery(node: Subquery) -> str:
    step = "" if node.step is None else format_duration(node.step)
    return f"[{format_duration(node.range)}:{step}]{_modifiers(node)}"


def _operator(node: Binary) -> str:
    matching = node.matching
    parts = [node.op, "bool" if node.returns_bool else ""]
    if matching.on or matching.labels:
        parts.append(f"{'on' if matching.on else 'ignoring'} ({_names(matching.labels)})")
    if matching.group:
        parts.append(f"group_{matching.group} ({_names(matching.include)})")
    left, right = matching.fill_left, matching.fill_right
    if left is not None and left == right:
        parts.append(f"fill ({format_value(left)})")
    else:
        parts += [
            f"fill_{side} ({format_value(value)})"
            for side, value in (("left", left), ("right", right))
            if value is not None
        ]
    return " ".join(part for part in parts if part)


def _aggregation(node: Aggregate) -> str:
    if node.without:
        return f"{node.op} without ({_names(node.labels)}) "
    return f"{node.op} by ({_names(node.labels)}) " if node.labels else node.op


def _names(labels: tuple[str, ...]) -> str:
    return ", ".join(label if is_legacy_name(label) else quote(label) for label in labels)
