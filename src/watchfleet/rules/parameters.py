"""Parameters of rules: literals in an expression that a comment gives a name.

```promql
avg_over_time(probe_success[5m  # $window
]) < 0.9  # $threshold
```

A number, a duration or a string is a parameter if the rest of its line is a comment of `$` and a name. To
Prometheus it is a comment like any other, so the file runs there with the values that stand in it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from watchfleet.promql import Expression, ParseError, parse
from watchfleet.promql.errors import Span
from watchfleet.promql.format import format_value, quote
from watchfleet.promql.lexer import Token, tokenize
from watchfleet.promql.literals import number_of, seconds_of, unquote

ParameterKind = Literal["number", "duration", "string"]

_NAME: Final = re.compile(r"[ \t]*\#[ \t]*\$([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*(?:\n|$)", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class ParameterError(ValueError):
    """A parameter cannot have this value, or there is no such parameter."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A literal with a name.

    Attributes:
        name: Its name.
        kind: `number`, `duration` or `string`; what it is set to must be of its kind.
        value: What it is set to in the expression: a string's text, else as it is written.
        spans: Where in the expression's text it stands.
    """

    name: str
    kind: ParameterKind
    value: str
    spans: tuple[Span, ...]


def parameters_of(text: str) -> dict[str, Parameter]:
    """The parameters of a well-formed expression, by name.

    Raises:
        ParseError: A name stands at literals that differ.
    """
    found: dict[str, Parameter] = {}
    for name, kind, token in _named(text):
        value = unquote(token.text, token.span) if kind == "string" else token.text
        known = found.get(name)
        if known is not None and (known.kind, known.value) != (kind, value):
            cause = f"the parameter ${name} is {token.text} here and {known.value} before"
            raise ParseError(cause, token.span, text)
        spans = (*known.spans, token.span) if known else (token.span,)
        found[name] = Parameter(name, kind, value, spans)
    return found


def bind(expression: Expression, values: Mapping[str, str]) -> Expression:
    """The expression with other values of some of its parameters.

    Args:
        expression: What a rule has as `expr`.
        values: The values by the parameters' names: `0.9`, `10m`, or a string's text.

    Raises:
        ParameterError: There is no such parameter, or the value is not of its kind.
    """
    known = parameters_of(expression.text)
    literals: dict[Span, str] = {}
    for name, value in values.items():
        if name not in known:
            has = ", ".join(known) or "none"
            raise ParameterError(f"the expression has no parameter ${name}; it has {has}")
        literals |= dict.fromkeys(known[name].spans, _literal(known[name], value))
    text = expression.text
    for span in sorted(literals, reverse=True):
        text = text[: span.start] + literals[span] + text[span.end :]
    try:
        return parse(text)
    except ParseError as error:
        raise ParameterError(f"with these values it is no expression any more: {error.cause}") from error


def _named(text: str) -> Iterator[tuple[str, ParameterKind, Token]]:
    for token in tokenize(text):
        if token.kind in {"number", "duration", "string"} and (found := _NAME.match(text, token.span.end)):
            yield found[1], cast("ParameterKind", token.kind), token


def _literal(parameter: Parameter, value: str) -> str:
    match parameter.kind:
        case "string":
            return quote(value)
        case "duration":
            if seconds_of(value):
                return value
            raise ParameterError(f"${parameter.name} is a duration, {value!r} is none; write it like 5m")
        case "number":
            if _NUMBER.fullmatch(value):
                return format_value(number_of(value.lstrip("+-")) * (-1 if value[0] == "-" else 1))
            raise ParameterError(f"${parameter.name} is a number, {value!r} is none; write it like 0.9")
