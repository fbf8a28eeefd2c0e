"""What the binary operators do to two numbers."""

from collections.abc import Callable
from typing import Final

import numpy as np

from watchfleet.promql.errors import QueryError
from watchfleet.promql.format import quote
from watchfleet.promql.series import Bools, Floats

ARITHMETIC: Final[dict[str, Callable[[Floats, Floats], Floats]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}

COMPARE: Final[dict[str, Callable[[Floats, Floats], Bools]]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}


def scalars(op: str, left: Floats, right: Floats) -> Floats:
    """The operator between two scalars; comparisons answer 0 or 1.

    Raises:
        QueryError: It is one that only histograms know.
    """
    if op in ARITHMETIC:
        return ARITHMETIC[op](left, right)
    if op not in COMPARE:
        raise QueryError(f"operator {quote(op)} not allowed for Scalar operations")
    return COMPARE[op](left, right).astype(np.float64)
