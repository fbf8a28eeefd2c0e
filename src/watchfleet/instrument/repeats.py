"""How many queries one task or request asks, and which again and again where one would do: the N+1 problem.

What else is asked in between makes no difference: each kind is counted by itself, over the whole task.
"""

from contextvars import ContextVar
from typing import Any, Final

from watchfleet.instrument import activity
from watchfleet.instrument.lifetime import lifetime
from watchfleet.model import Kind

MANY: Final = 10
"""How often one kind is too often, if it took `LEAST` in all."""
LEAST: Final = 0.05
"""Seconds below which mending it gains nothing."""
MOST: Final = 5
"""Kinds that one task or request tells of, those that took the most time."""
_READING: Final = {"SELECT", "WITH"}


class Repeats:
    """How often each kind was asked, and for how many seconds in all; by one task or request."""

    __slots__ = ("_before", "_kinds")

    def __init__(self) -> None:
        self._kinds: dict[Any, list[float]] = {}
        self._before = current.get()
        current.set(self)

    def add(self, kind: Any, seconds: float) -> None:
        """Count a query of a kind."""
        found = self._kinds.get(kind)
        if found is None:
            self._kinds[kind] = [1, seconds]
        else:
            found[0] += 1
            found[1] += seconds

    def close(self, place: str) -> None:
        """Tell how many there were and what was asked too often, and count no more.

        Args:
            place: The task's or the route's name.
        """
        current.set(self._before)
        _measure(place, sum(count for count, _ in self._kinds.values()))
        often = [(kind, *asked) for kind, asked in self._kinds.items() if _too_often(kind, *asked)]
        for kind, count, seconds in sorted(often, key=lambda one: -one[2])[:MOST]:
            _tell(kind, place, int(count), seconds)


current: ContextVar[Repeats | None] = ContextVar("watchfleet_repeats", default=None)
"""Those of the task or request that runs here."""


def _too_often(kind: Any, count: float, seconds: float) -> bool:
    return count >= MANY and seconds >= LEAST and kind.operation in _READING


def _measure(place: str, count: float) -> None:
    client = lifetime.client
    if client is not None and count:
        client.observe(client.series("db_call_queries", Kind.GAUGE, place=place), count)


def _tell(kind: Any, place: str, count: int, seconds: float) -> None:
    client = lifetime.client
    if client is not None:
        client.count(client.series("db_n_plus_one_total", Kind.EVENT, fingerprint=kind.key, place=place))
    activity.record("repeat", kind.key, seconds, place=place, count=count, statement=kind.text)
