"""The functions that every Go template has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus

from watchfleet.rules.template.errors import TemplateError
from watchfleet.rules.template.printf import sprintf
from watchfleet.rules.template.printing import display, sprint, sprintln
from watchfleet.rules.template.values import Texts, go_type, truth


@dataclass(frozen=True, slots=True)
class TemplateFunction:
    """A function that a template may call.

    Attributes:
        call: What it does; a `TemplateError` is its own failure.
        takes: The types of its arguments, as Go names them; `any` takes whatever there is.
        rest: The type of any further arguments; None if it takes none.
    """

    call: Callable[..., Any]
    takes: tuple[str, ...] = ()
    rest: str | None = None


def length(value: Any) -> int:
    """How many items a value has; of a text, its bytes."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, dict | list):
        return len(value)
    if value is None:
        raise TemplateError("len of nil pointer")
    raise TemplateError(f"len of type {go_type(value)}")


def index(value: Any, *keys: Any) -> Any:
    """The item of nested collections at the keys."""
    if value is None:
        raise TemplateError("index of untyped nil")
    for key in keys:
        value = _item(value, key)
    return value


def _item(value: Any, key: Any) -> Any:
    match value:
        case dict():
            if not isinstance(key, str):
                raise TemplateError(_wrong_key(key))
            return value.get(key, "" if isinstance(value, Texts) else None)
        case str():
            return value.encode("utf-8", "surrogateescape")[_position(key, length(value), inside=True)]
        case list():
            return value[_position(key, len(value), inside=True)]
        case None:
            raise TemplateError("index of nil pointer")
    raise TemplateError(f"can't index item of type {go_type(value)}")


def _wrong_key(key: Any) -> str:
    return (
        "value is nil; should be of type string"
        if key is None
        else f"value has type {go_type(key)}; should be string"
    )


def _position(key: Any, size: int, *, inside: bool) -> int:
    if key is None:
        raise TemplateError("cannot index slice/array with nil")
    if not isinstance(key, int) or isinstance(key, bool):
        raise TemplateError(f"cannot index slice/array with type {go_type(key)}")
    if not 0 <= key < size + (not inside):
        raise TemplateError(f"index out of range: {key}")
    return key


def slice_(value: Any, *bounds: Any) -> Any:
    """A part of a text or a list."""
    if value is None:
        raise TemplateError("slice of untyped nil")
    if not isinstance(value, str | list):
        raise TemplateError(f"can't slice item of type {go_type(value)}")
    if len(bounds) > 2 and isinstance(value, str):
        raise TemplateError("cannot 3-index slice a string")
    if len(bounds) > 3:
        raise TemplateError(f"too many slice indexes: {len(bounds)}")
    data: Any = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    places = [_position(bound, len(data), inside=False) for bound in bounds]
    start, end = [*places[:2], *(0, len(data))[len(places[:2]) :]]
    if start > end:
        raise TemplateError(f"invalid slice index: {start} > {end}")
    part = data[start:end]
    return part.decode("utf-8", "surrogateescape") if isinstance(part, bytes) else type(value)(part)


def _kind(value: Any) -> str:
    """The kinds that comparisons tell apart."""
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case str():
            return "string"
    raise TemplateError("invalid type for comparison")


def _equal_two(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is right
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        raise TemplateError(f"non-comparable type {display(left)}: {go_type(left)}")
    if type(left) is type(right) and not isinstance(left, bool | int | float | str):
        return bool(left == right)
    if _kind(left) != _kind(right):
        raise TemplateError("incompatible types for comparison")
    return bool(left == right)


def equal(first: Any, *others: Any) -> bool:
    """Whether the first value equals any of the others."""
    if not others:
        raise TemplateError("missing argument for comparison")
    return any([_equal_two(first, other) for other in others])  # noqa: C419 - a wrong type is an error wherever it stands


def less(left: Any, right: Any) -> bool:
    """Whether the one value is less than the other."""
    kinds = _kind(left), _kind(right)
    if kinds[0] != kinds[1]:
        raise TemplateError("incompatible types for comparison")
    if kinds[0] == "bool":
        raise TemplateError("invalid type for comparison")
    if isinstance(left, str):
        return bool(left.encode("utf-8", "surrogateescape") < right.encode("utf-8", "surrogateescape"))
    return bool(left < right)


def _less_or_equal(left: Any, right: Any) -> bool:
    return less(left, right) or _equal_two(left, right)


def _escaper(table: dict[str, str]) -> Callable[..., str]:
    translation = str.maketrans(table)
    return lambda *values: _one_text(values).translate(translation)


def _one_text(values: Sequence[Any]) -> str:
    """What `html`, `js` and `urlquery` take: values printed like `print` does, nil as an action prints it."""
    return sprint(["<no value>" if value is None else value for value in values])


def _urlquery(*values: Any) -> str:
    return query_escape(_one_text(values))


def query_escape(text: str) -> str:
    """Text for the query of an address, as Go's `url.QueryEscape` has it."""
    return quote_plus(text, safe="~", errors="surrogateescape")


def _call(function: Any, *_: Any) -> Any:
    if function is None:
        raise TemplateError("call of nil")
    raise TemplateError(f"non-function {display(function)} of type {go_type(function)}")


_HTML: Final = {"\x00": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JS: Final = {
    **{chr(code): f"\\u{code:04X}" for code in range(0x20)},
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip

BUILTINS: Final = {
    "and": TemplateFunction(lambda *values: values, ("any",), "any"),
    "or": TemplateFunction(lambda *values: values, ("any",), "any"),
    "not": TemplateFunction(lambda value: not truth(value), ("any",)),
    "call": TemplateFunction(_call, ("any",), "any"),
    "html": TemplateFunction(_escaper(_HTML), (), "any"),
    "js": TemplateFunction(_escaper(_JS), (), "any"),
    "urlquery": TemplateFunction(_urlquery, (), "any"),
    "index": TemplateFunction(index, ("any",), "any"),
    "slice": TemplateFunction(slice_, ("any",), "any"),
    "len": TemplateFunction(length, ("any",)),
    "print": TemplateFunction(lambda *values: sprint(values), (), "any"),
    "println": TemplateFunction(lambda *values: sprintln(values), (), "any"),
    "printf": TemplateFunction(lambda form, *values: sprintf(form, values), ("string",), "any"),
    "eq": TemplateFunction(equal, ("any",), "any"),
    "ne": TemplateFunction(lambda left, right: not _equal_two(left, right), ("any", "any")),
    "lt": TemplateFunction(less, ("any", "any")),
    "le": TemplateFunction(_less_or_equal, ("any", "any")),
    "gt": TemplateFunction(lambda left, right: not _less_or_equal(left, right), ("any", "any")),
    "ge": TemplateFunction(lambda left, right: not less(left, right), ("any", "any")),
}
"""By name. `and` and `or` evaluate no more arguments than they need: that is the executor's part."""
