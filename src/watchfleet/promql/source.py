"""Where an evaluation gets its samples from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from watchfleet.promql.labels import NAME, Labels, labels_of, value_of
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.series import NO_SERIES, Bools, Floats, Ints, SeriesSet

STALE: Final[float] = np.array(0x7FF0000000000002, dtype=np.int64).view(np.float64).item()
"""The value that ends a series at once: Prometheus's staleness marker, a NaN of its own."""
_STALE_BITS: Final = 0x7FF0000000000002


@dataclass(frozen=True, slots=True)
class Summary:
    """What is wanted of the samples in each window, when that is less than all of them.

    Attributes:
        function: `avg`, `count`, `first`, `last`, `max`, `min`, `present`, `quantile` or `sum`.
        window: How long the windows are, in milliseconds.
        step: From one to the next; 0 if there is but one.
    """

    function: str
    window: int
    step: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """One thing that an expression reads.

    Attributes:
        matchers: Which series; all must hold.
        start: The earliest time, in milliseconds of Unix time.
        end: The latest time, itself included.
        function: The function or aggregation that uses the samples; empty if none does. A hint.
        window: The range of a range selector in milliseconds, 0 for an instant selector. A hint.
        step: Milliseconds from one evaluation to the next, 0 if there is but one. A hint.
        summary: What the samples are wanted for, if a source may give something that stands for them.
    """

    matchers: tuple[Matcher, ...]
    start: int
    end: int
    function: str = field(default="", compare=False)
    window: int = field(default=0, compare=False)
    step: int = field(default=0, compare=False)
    summary: Summary | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The samples of some series, one series after the other.

    Attributes:
        series: The series, each with a label set of its own.
        timestamps: Milliseconds of Unix time, rising within each series.
        values: One per timestamp; `STALE` marks where a series ended.
        offsets: Where each series begins in the two, and at last where the last one ends.
        weights: How many samples each stands for, as the fetch's summary allows; None if each is but itself.
            For `avg` a value is then the sum of these samples.
    """

    series: SeriesSet
    timestamps: Ints
    values: Floats
    offsets: Ints
    weights: Floats | None = None


EMPTY: Final = Columns(NO_SERIES, np.empty(0, np.int64), np.empty(0), np.zeros(1, np.int64))


class SeriesSource(Protocol):
    """What samples are read from: a store, or a set of series in memory."""

    def select(self, fetches: Sequence[Fetch]) -> Sequence[Columns]:
        """The samples for each fetch, in their order.

        Only samples from `start` to `end` may be given; series without any may be left out. A source that
        gives the same `SeriesSet` object while the matching series stay the same makes evaluation cheaper.
        """
        ...


class MemorySeries:
    """Series in memory, for rule tests and for anything that is already there."""

    def __init__(self) -> None:
        self._series: dict[Labels, tuple[Ints, Floats]] = {}
        self._by_name: dict[str, list[Labels]] = {}
        self._matched: dict[tuple[Matcher, ...], SeriesSet] = {}

    def append(
        self, labels: Mapping[str, str] | Labels, timestamps: Iterable[int], values: Iterable[float]
    ) -> None:
        """Add samples to a series; those at a time that it already has replace what is there.

        Args:
            labels: The series' labels, the metric's name as `__name__`.
            timestamps: Milliseconds of Unix time, in any order.
            values: One per timestamp.
        """
        key = labels_of(dict(labels))
        ts, vs = np.array(list(timestamps), np.int64), np.array(list(values), np.float64)
        if key in self._series:
            old_ts, old_vs = self._series[key]
            ts, vs = np.concatenate((ts, old_ts)), np.concatenate((vs, old_vs))
        else:
            self._matched.clear()
            self._by_name.setdefault(value_of(key, NAME), []).append(key)
        ts, first = np.unique(ts, return_index=True)
        self._series[key] = (ts, vs[first])

    def select(self, fetches: Sequence[Fetch]) -> list[Columns]:
        """The samples for each fetch; see `SeriesSource`."""
        return [self._select_one(fetch) for fetch in fetches]

    def _select_one(self, fetch: Fetch) -> Columns:
        matched = self._matched.get(fetch.matchers)
        if matched is None:
            if len(self._matched) >= 1024:
                self._matched.clear()
            matched = self._matched[fetch.matchers] = SeriesSet(self._matching(fetch.matchers))
        parts = [self._series[labels] for labels in matched.labels]
        slices = [slice(*np.searchsorted(ts, (fetch.start, fetch.end + 1)).tolist()) for ts, _ in parts]
        return columns_of(
            matched,
            [ts[part] for (ts, _), part in zip(parts, slices, strict=True)],
            [values[part] for (_, values), part in zip(parts, slices, strict=True)],
        )

    def _matching(self, matchers: tuple[Matcher, ...]) -> list[Labels]:
        name = metric_of(matchers)
        candidates = self._by_name.get(name, []) if name else self._series
        return [labels for labels in candidates if matches(labels, matchers)]


def matches(labels: Labels, matchers: Iterable[Matcher]) -> bool:
    """Whether a label set fulfils all matchers."""
    values = dict(labels)
    return all(matcher.matches(values.get(matcher.name, "")) for matcher in matchers)


def columns_of(series: SeriesSet, timestamps: Sequence[Ints], values: Sequence[Floats]) -> Columns:
    """Columns of series that come one by one."""
    if not len(series):
        return EMPTY
    offsets = np.zeros(len(series) + 1, np.int64)
    np.cumsum([len(part) for part in timestamps], out=offsets[1:])
    return Columns(series, np.concatenate(timestamps), np.concatenate(values), offsets)


def is_stale(values: Floats) -> Bools:
    """Which values are staleness markers."""
    bits: Ints = np.ascontiguousarray(values).view(np.int64)
    return np.equal(bits, _STALE_BITS)


def without_stale(columns: Columns) -> Columns:
    """The columns without staleness markers, as range selectors see them."""
    stale = is_stale(columns.values)
    if not stale.any():
        return columns
    before = np.concatenate(([0], np.cumsum(~stale)))
    ts, values = columns.timestamps[~stale], columns.values[~stale]
    weights = None if columns.weights is None else columns.weights[~stale]
    return Columns(columns.series, ts, values, before[columns.offsets], weights)


def metric_of(matchers: Iterable[Matcher]) -> str:
    """The metric's name if the matchers want one metric, else empty."""
    return next((matcher.value for matcher in matchers if matcher.name == NAME and matcher.op == "="), "")
