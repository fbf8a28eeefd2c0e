"""Values printed as Go's `fmt` prints them: `%v`, `Sprint`, `Sprintln`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from watchfleet.promql.format import format_short
from watchfleet.rules.template.times import format_span, format_time
from watchfleet.rules.template.values import FIELDS, Data, Duration, TemplateSample, Time


def display(value: Any) -> str:
    """A value as `%v` prints it within other text; nil is `<nil>`."""
    shown = next((_SHOWN[kind](value) for kind in _SHOWN if isinstance(value, kind)), None)
    return "<nil>" if shown is None else shown


def printed(value: Any) -> str:
    """A value as a template's action prints it; nil is `<no value>`."""
    return "<no value>" if value is None else display(value)


def sprint(values: Sequence[Any]) -> str:
    """The values, with a space between two neither of which is a text."""
    text = ""
    for place, value in enumerate(values):
        if place and not isinstance(value, str) and not isinstance(values[place - 1], str):
            text += " "
        text += display(value)
    return text


def sprintln(values: Sequence[Any]) -> str:
    """The values with spaces between them, and a newline."""
    return " ".join(map(display, values)) + "\n"


def _structure(value: Data | TemplateSample) -> str:
    names = FIELDS[type(value)].items()
    shown = " ".join(display(getattr(value, name)) for go_name, name in names if go_name != "Params")
    return f"&{{{shown}}}" if isinstance(value, TemplateSample) else f"{{{shown}}}"


_SHOWN: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
    str: str,
    float: format_short,
    dict: lambda value: f"map[{' '.join(f'{key}:{display(value[key])}' for key in sorted(value))}]",
    list: lambda value: f"[{' '.join(map(display, value))}]",
    Duration: format_span,
    Time: format_time,
    Data: _structure,
    TemplateSample: _structure,
}
"""By type; `bool` stands before `int`, of which it is one in Python."""
