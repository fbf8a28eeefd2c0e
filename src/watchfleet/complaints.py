"""What is wrong with a value that somebody wrote, said so that they can mend it."""

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from watchfleet.errors import ConfigError
from watchfleet.redact import MASK, redact
from watchfleet.yamlfile import Location

Where = Callable[[Location], tuple[Path | None, int | None]]

LONGEST_VALUE: Final = 80
_MENDS: Final = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "dict_type": "write a mapping, `name: value` on lines of its own",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "list_type": "write a list, such as [one, two]",
    "model_type": "write a mapping, `name: value` on lines of its own",
    "string_type": "put it in quotes",
}


def nowhere(location: Location) -> tuple[None, None]:  # noqa: ARG001 - the shape of `Where`
    """For values that stand in no file."""
    return None, None


def dotted(location: Location) -> str:
    """A location as people write it, such as `targets[3].url`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def explain(
    error: ValidationError,
    model: type[BaseModel],
    where: Where = nowhere,
    owner: str = "",
    name: Callable[[Location], str] = dotted,
) -> list[ConfigError]:
    """One error for each fault that pydantic found, without the value of anything secret.

    Args:
        error: What pydantic found.
        model: What the values were validated against: knows the names, and which are secret.
        where: Tells the file and the line of a location.
        owner: Goes before each setting's name, such as `target "shop": `.
        name: How a location is written.
    """
    return [
        _explain_one(detail, model, where, owner, name)
        for detail in error.errors(include_url=False, include_context=True)
    ]


def similar(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` for the nearest known name; empty if none is near."""
    near = get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""


def is_secret(field: FieldInfo | None) -> bool:
    """Whether a field's value must not be shown."""
    return field is not None and "Secret" in str(field.annotation)


def _explain_one(
    detail: ErrorDetails,
    model: type[BaseModel],
    where: Where,
    owner: str,
    name: Callable[[Location], str],
) -> ConfigError:
    # pydantic marks a mapping's key, as against its value, with a part of its own.
    location = tuple(part for part in detail["loc"] if part != "[key]")
    path, line = where(location)
    model, last = _innermost(model, location)
    if detail["type"] == "extra_forbidden":
        known = similar(last, _names(model)) or _alternatives(model, location)
        return ConfigError(f"{owner}there is no setting {last!r}", path=path, line=line, mend=known)
    if detail["type"] == "missing":
        return ConfigError(
            f"{owner}{name(location)} is missing", path=path, line=line, mend=_described(model, last)
        )
    field = _fields(model).get(last)
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    shown = _shown(detail, field)
    label = f"{owner}{name(location)}: " if location else owner
    advice = _MENDS.get(detail["type"]) or _fallback(detail, model, last)
    text = message if shown in message else f"{shown}: {message}"
    return ConfigError(f"{label}{text}", path=path, line=line, mend=advice)


def _innermost(model: type[BaseModel], location: Location) -> tuple[type[BaseModel], str]:
    """The model that holds the value at a location, and the name of the value's field there."""
    last = ""
    for part in location:
        field = _fields(model).get(last)
        within = _model_in(field.annotation) if field else None
        if isinstance(part, int) or (field and within is None):  # a list's item, or a mapping's key
            continue
        model, last = within or model, part
    return model, last


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _alternatives(model: type[BaseModel], location: Location) -> str:
    if len(location) < 2:
        return "`watchfleet config schema` lists every setting"
    return f"there are {', '.join(_names(model))}"


def _shown(detail: ErrorDetails, field: FieldInfo | None) -> str:
    """The value as it was written; masked if secret, its type only if it is a collection."""
    value: Any = detail["input"]
    if is_secret(field):
        return MASK
    if isinstance(value, dict | list):
        return f"a {'mapping' if isinstance(value, dict) else 'list'}"
    text = redact(repr(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _fallback(detail: ErrorDetails, model: type[BaseModel], name: str) -> str | None:
    # A validator of ours already says what to write.
    return None if detail["type"] == "value_error" else _described(model, name)


def _described(model: type[BaseModel], name: str) -> str | None:
    field = _fields(model).get(name)
    return field.description.rstrip(".") if field and field.description else None


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    fields: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        for alias in (name, *_aliases(field)):
            fields[alias] = field
    return fields


def _names(model: type[BaseModel]) -> Iterator[str]:
    return (name for name in _fields(model) if name.islower())


def _aliases(field: FieldInfo) -> list[str]:
    choices = getattr(field.validation_alias, "choices", [field.validation_alias])
    return [choice for choice in choices if isinstance(choice, str)]
