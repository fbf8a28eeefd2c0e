"""Wraps a method of a host's class, where the host has no hook for what we need."""

import functools
from collections.abc import Callable
from typing import Any, Final

_MARK: Final = "_watchfleet_wrapped"


def wrap_once(owner: type, name: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a method by what `around` makes of it; a second call changes nothing.

    Whoever wraps it after us by `functools.wraps` passes the mark on.
    """
    method = getattr(owner, name)
    if hasattr(method, _MARK):
        return
    wrapped = functools.wraps(method)(around(method))
    setattr(wrapped, _MARK, True)
    setattr(owner, name, wrapped)
