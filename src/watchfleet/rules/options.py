"""What stands under `x-watchfleet` of a group or a rule."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from watchfleet.promql import Expression
from watchfleet.rules.model import Missing, ParameterOptions, RuleOptions
from watchfleet.rules.parameters import Parameter, ParameterError, bind
from watchfleet.rules.reader import Item, Reader
from watchfleet.rules.thresholds import ThresholdError, with_threshold

_PARAMETER_FIELDS: Final = ("value", "env", "description")
_OF_GROUPS: Final = ("enabled", "channels", "dedup_window", "no_data", "on_error", "on_data")
_THRESHOLDS: Final = ("resolve_threshold", "pending_threshold")
_OF_RULES: Final = (*_OF_GROUPS, "params", *_THRESHOLDS)


def read_options(
    reader: Reader,
    item: Item | None,
    defaults: RuleOptions,
    parameters: Mapping[str, Parameter] | None = None,
    expr: Expression | None = None,
    *,
    in_group: bool = False,
) -> RuleOptions:
    """The options of a group or a rule.

    Args:
        reader: The file.
        item: What stands there, if anything.
        defaults: What holds where nothing is said: for a rule, its group's options.
        parameters: The parameters that the rule's expression has.
        expr: The rule's expression; None if it has none that could be read.
        in_group: Whether they are a group's.
    """
    if item is None:
        return defaults
    known = _OF_GROUPS if in_group else _OF_RULES
    fields = reader.mapping(item, known, f"x-watchfleet of a {'group' if in_group else 'rule'}")
    given: dict[str, Any] = {key: _value(reader, key, inner) for key, inner in fields.items()}
    if "params" in fields and expr is not None:
        _check_params(reader, fields["params"], given["params"], parameters or {}, expr)
    for name in _THRESHOLDS:
        if given.get(name) is not None and expr is not None:
            _check_threshold(reader, name, fields[name], expr, given[name])
    return replace(defaults, **{key: value for key, value in given.items() if value is not None})


def _value(reader: Reader, key: str, item: Item) -> object:
    match key:
        case "enabled" | "on_data":
            return reader.truth(item)
        case "no_data" | "on_error":
            word = reader.choice(item, {choice.value: choice for choice in Missing})
            return Missing(word) if word else None
        case "dedup_window":
            return reader.duration(item)
        case "channels":
            return _channels(reader, item)
        case "resolve_threshold" | "pending_threshold":
            return reader.number(item)
        case _:
            return _params(reader, item)


def _channels(reader: Reader, item: Item) -> tuple[str, ...]:
    names = [(inner, reader.text(inner)) for inner in reader.items(item)]
    for inner, name in names:
        if not name:
            reader.complain(inner, "channels: a channel has no name", "write them like [email, slack]")
    return tuple(name for _, name in names if name)


def _params(reader: Reader, item: Item) -> dict[str, ParameterOptions]:
    return {name: _param(reader, inner) for name, inner in reader.mapping(item, None, "").items()}


def _param(reader: Reader, item: Item) -> ParameterOptions:
    """A value alone, or a mapping that says more."""
    if item.is_scalar:
        return ParameterOptions(value=None if item.is_null else reader.text(item))
    fields = reader.mapping(item, _PARAMETER_FIELDS, "a parameter")
    texts = {key: reader.text(inner) for key, inner in fields.items()}
    return ParameterOptions(texts.get("value"), texts.get("env"), texts.get("description") or "")


def _check_params(
    reader: Reader,
    item: Item,
    given: Mapping[str, ParameterOptions],
    parameters: Mapping[str, Parameter],
    expr: Expression,
) -> None:
    for name, inner in reader.mapping(item, None, "").items():
        value = given[name].value
        if value is None and name in parameters:
            continue
        try:
            bind(expr, {name: value or ""})
        except ParameterError as error:
            reader.complain(inner, f"params: {error}", "a comment `# $name` after a literal names it")


def _check_threshold(reader: Reader, name: str, item: Item, expr: Expression, threshold: float) -> None:
    try:
        with_threshold(expr, threshold)
    except ThresholdError as error:
        reader.complain(item, f"{name}: {error}")
