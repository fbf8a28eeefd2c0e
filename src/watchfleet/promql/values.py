"""What a query answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from watchfleet.promql.labels import Labels
from watchfleet.promql.series import Floats, Ints


class Sample(NamedTuple):
    """One series' value.

    Attributes:
        labels: The series' labels, the metric's name as `__name__` if it still has one.
        value: Its value.
    """

    labels: Mapping[str, str]
    value: float


class Series(NamedTuple):
    """One series' values.

    Attributes:
        labels: The series' labels.
        timestamps: Milliseconds of Unix time, rising.
        values: One per timestamp.
    """

    labels: Mapping[str, str]
    timestamps: Ints
    values: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What every answer may come with.

    Attributes:
        warnings: Why the result is probably not what was meant.
        infos: What is worth knowing about it.
    """

    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Vector(_Answer):
    """The value of each series at one instant.

    Attributes:
        at: The instant, in milliseconds of Unix time.
        labels: The series' label sets, in the order that the expression gives.
        values: One per series.
    """

    at: int
    labels: tuple[Labels, ...]
    values: Floats

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Sample]:
        for labels, value in zip(self.labels, self.values.tolist(), strict=True):
            yield Sample(dict(labels), value)


@dataclass(frozen=True, slots=True, eq=False)
class Matrix(_Answer):
    """Values of some series over time.

    Attributes:
        series: The series, sorted by their labels.
    """

    series: tuple[Series, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)


@dataclass(frozen=True, slots=True)
class Scalar(_Answer):
    """A number without labels.

    Attributes:
        at: The instant that it is for, in milliseconds of Unix time.
        value: The number.
    """

    at: int
    value: float


@dataclass(frozen=True, slots=True)
class String(_Answer):
    """A text.

    Attributes:
        at: The instant that it is for, in milliseconds of Unix time.
        value: The text.
    """

    at: int
    value: str


Value = Vector | Matrix | Scalar | String
