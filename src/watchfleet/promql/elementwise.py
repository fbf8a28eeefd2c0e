"""Functions that turn each value of a vector into another."""

from collections.abc import Callable
from typing import Final

import numpy as np

from watchfleet.promql.frame import Frame
from watchfleet.promql.series import Floats


def mapped(frame: Frame, values: Floats) -> Frame:
    """The vector with other values; its metric's names go."""
    return Frame(frame.series, values, frame.present, np.ones(frame.rows, bool))


def clamp(frame: Frame, least: Floats, most: Floats) -> Frame:
    """Each value held between two bounds; nothing where the lower bound is above the upper one."""
    held = _max(least, _min(most, frame.values))
    return Frame(frame.series, held, frame.present & ~(most < least), np.ones(frame.rows, bool))


def rounded(frame: Frame, nearest: Floats) -> Frame:
    """Each value rounded to a multiple of `nearest`, halves upwards."""
    inverse = 1.0 / nearest
    return mapped(frame, np.floor(frame.values * inverse + 0.5) / inverse)


def _min(left: Floats, right: Floats) -> Floats:
    """The lesser of two as Go's math.Min has it: -Inf wins over NaN."""
    infinite = (left == -np.inf) | (right == -np.inf)
    return np.where(infinite, -np.inf, np.minimum(left, right))


def _max(left: Floats, right: Floats) -> Floats:
    """The greater of two as Go's math.Max has it: +Inf wins over NaN."""
    infinite = (left == np.inf) | (right == np.inf)
    return np.where(infinite, np.inf, np.maximum(left, right))


def max_of(left: Floats, right: Floats) -> Floats:
    """The greater of two scalars."""
    return _max(left, right)


def min_of(left: Floats, right: Floats) -> Floats:
    """The lesser of two scalars."""
    return _min(left, right)


def _sign(values: Floats) -> Floats:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


ELEMENTWISE: Final[dict[str, Callable[[Floats], Floats]]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": lambda values: values * 180 / np.pi,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": lambda values: values * np.pi / 180,
    "sgn": _sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}
