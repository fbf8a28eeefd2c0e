"""The series of a vector, and what is computed from their labels once and then kept."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

from watchfleet.promql.labels import NAME, Labels, drop, keep, value_of

T = TypeVar("T")

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]

_MOST_KEPT: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """How series fall into groups.

    Attributes:
        index: The group of each series, counted in the order in which groups first appear.
        series: The label set of each group.
        order: The series, sorted by group; those of one group keep their order.
        starts: Where each group begins in `order`.
        sizes: How many series each group has.
    """

    index: Indices
    series: "SeriesSet"
    order: Indices
    starts: Indices
    sizes: Indices


class SeriesSet:
    """Label sets in a fixed order.

    What is derived from them (groups, signatures, joins) is kept, so that a source that hands out the same
    object again and again, as for a rule that is evaluated every few seconds, saves that work.

    Args:
        labels: One label set per series.
    """

    __slots__ = ("_memo", "labels")

    def __init__(self, labels: Iterable[Labels]) -> None:
        self.labels: tuple[Labels, ...] = tuple(labels)
        self._memo: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def memo(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave for this key before, or gives now."""
        kept = self._memo.get(key)
        if kept is None:
            if len(self._memo) >= _MOST_KEPT:
                self._memo.clear()
            kept = self._memo[key] = make()
        return cast(T, kept)

    def take(self, rows: Sequence[int] | Indices) -> "SeriesSet":
        """The series at these places."""
        return SeriesSet(self.labels[row] for row in rows)

    def signatures(self, *, on: bool, names: tuple[str, ...]) -> tuple[Labels, ...]:
        """The part of each label set that `on` or `ignoring` compares; the metric's name only if listed."""

        def make() -> tuple[Labels, ...]:
            if on:
                return tuple(keep(labels, names) for labels in self.labels)
            return tuple(drop(labels, (*names, NAME)) for labels in self.labels)

        return self.memo(("signatures", on, names), make)

    def groups(self, *, without: bool, names: tuple[str, ...]) -> Groups:
        """The groups that `by` or `without` makes of the series."""
        return self.memo(
            ("groups", without, names), lambda: grouped(self.signatures(on=not without, names=names))
        )

    def metric_names(self) -> tuple[str, ...]:
        """The metric's name of each series, empty where there is none."""
        return self.memo("names", lambda: tuple(value_of(labels, NAME) for labels in self.labels))


NO_SERIES: Final = SeriesSet(())
ONE_SERIES: Final = SeriesSet(((),))
"""One series without labels, such as `vector(1)` has."""


def grouped(keys: Sequence[Labels]) -> Groups:
    """The groups of equal label sets."""
    numbers: dict[Labels, int] = {}
    index = np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.intp, len(keys))
    sizes = np.bincount(index, minlength=len(numbers)).astype(np.intp)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp)
    return Groups(index, SeriesSet(numbers), np.argsort(index, kind="stable"), starts, sizes)
