"""Which values fit the types of functions' arguments."""

from typing import Any, Final

from watchfleet.rules.template.errors import TemplateError
from watchfleet.rules.template.nodes import Number
from watchfleet.rules.template.values import Samples, TemplateSample, go_type

_PYTHON: Final[dict[str, type]] = {
    "string": str,
    "float64": float,
    "int": int,
    "[]sample": Samples,
    "*sample": TemplateSample,
}
_GO: Final = {"[]sample": "template.queryResult", "*sample": "*template.sample"}


def constant(node: Number, kind: str) -> Any:
    """A number as a value of the type.

    Raises:
        TemplateError: It cannot be one.
    """
    if kind in _GO:
        raise TemplateError(f"can't handle {node} for arg of type {_GO[kind]}")
    if kind != "any":
        raise TemplateError(f"expected {kind}; found {node}")
    if node.is_float or node.whole is None:
        return node.value
    if node.whole >= 2**63:
        raise TemplateError(f"{node} overflows int")
    return node.whole


def converted(value: Any, kind: str, literal: str = "") -> Any:
    """The value, if it is of the type.

    Args:
        value: Any value.
        kind: The type, as Go names it; `any` for every one.
        literal: How the value is written in the template, if it stands there.

    Raises:
        TemplateError: It is not.
    """
    if kind == "any":
        return value
    wanted = _GO.get(kind, kind)
    if value is None:
        raise TemplateError(
            f"cannot assign nil to {wanted}" if literal else f"invalid value; expected {wanted}"
        )
    if type(value) is _PYTHON[kind]:
        return value
    if literal:
        can = "can't handle {} for arg of type {}" if kind in _GO else "expected {1}; found {0}"
        raise TemplateError(can.format(literal, wanted))
    raise TemplateError(f"wrong type for value; expected {wanted}; got {go_type(value)}")
