"""The values of a template as Go has them, told apart by their Python types.

`bool`, `int`, `float` (float64), `str` (string) and None (nil) stand for themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Texts(dict[str, str]):
    """A `map[string]string`; a key that is missing gives the empty text."""


class Anything(dict[str, Any]):
    """A `map[string]interface {}`; a key that is missing gives nothing."""


@dataclass(frozen=True, slots=True)
class TemplateSample:
    """One series that `query` found.

    Attributes:
        labels: Its labels, `__name__` among them.
        value: Its value.
    """

    labels: Texts
    value: float


class Samples(list[TemplateSample]):
    """What `query` found."""


class Html(str):
    """Text that `safeHtml` declared to be HTML."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Duration:
    """A `time.Duration`.

    Attributes:
        nanoseconds: How long it is.
    """

    nanoseconds: int


@dataclass(frozen=True, slots=True)
class Time:
    """A `time.Time` in UTC.

    Attributes:
        milliseconds: Of Unix time.
    """

    milliseconds: int

    @property
    def moment(self) -> datetime:
        """The same as Python has it; of the years that it knows."""
        return EPOCH + timedelta(milliseconds=self.milliseconds)


@dataclass(frozen=True, slots=True)
class Data:
    """What a rule's template stands on.

    Attributes:
        labels: The labels of the alert's series, `__name__` among them.
        value: The series' value.
        external_labels: The fleet's own labels.
        external_url: Where people reach the fleet.
        params: The rule's parameters; an addition of ours.
    """

    labels: Texts
    value: float
    external_labels: Texts = field(default_factory=Texts)
    external_url: str = ""
    params: Texts = field(default_factory=Texts)


FIELDS: Final[Mapping[type, Mapping[str, str]]] = {
    Data: {
        "Labels": "labels",
        "ExternalLabels": "external_labels",
        "ExternalURL": "external_url",
        "Value": "value",
        "Params": "params",
    },
    TemplateSample: {"Labels": "labels", "Value": "value"},
}
"""The fields that Go's structures have, and what they are called here."""

_TYPES: Final[Mapping[type, str]] = {
    bool: "bool",
    int: "int",
    float: "float64",
    str: "string",
    Html: "template.HTML",
    Texts: "map[string]string",
    Anything: "map[string]interface {}",
    Samples: "template.queryResult",
    TemplateSample: "*template.sample",
    Duration: "time.Duration",
    Time: "*time.Time",
    Data: "struct { Labels map[string]string; ExternalLabels map[string]string; "
    "ExternalURL string; Value interface {} }",
    list: "[]interface {}",
}


def go_type(value: object) -> str:
    """The name of a value's type in Go."""
    return _TYPES.get(type(value), "<nil>")


def truth(value: Any) -> bool:
    """Whether a value counts as true: it is not zero, nil or empty."""
    match value:
        case bool() | int() | float() | str():
            return bool(value)
        case None:
            return False
        case Duration():
            return value.nanoseconds != 0
        case dict() | list():
            return len(value) > 0
    return True
