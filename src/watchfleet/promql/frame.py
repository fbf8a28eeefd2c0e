"""A vector at many times at once: what every part of an expression evaluates to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from watchfleet.promql.errors import QueryError
from watchfleet.promql.labels import Labels, without_metadata
from watchfleet.promql.series import NO_SERIES, Bools, Floats, Indices, Ints, SeriesSet, grouped

SAME_LABELS: Final = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True)
class Grid:
    """The times at which an expression is evaluated, in milliseconds."""

    start: int
    step: int
    count: int

    @property
    def end(self) -> int:
        """The last of the times."""
        return self.start + self.step * (self.count - 1)

    def times(self) -> Ints:
        """All the times."""
        return self.start + self.step * np.arange(self.count, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A vector at each time of a grid.

    Attributes:
        series: The series, one per row; two rows may have the same labels if they never meet in time.
        values: Rows by times.
        present: Where there is a value; NaN is one too.
        nameless: The rows whose metric's name goes at last: Prometheus drops names when a query is done.
    """

    series: SeriesSet
    values: Floats
    present: Bools
    nameless: Bools

    @property
    def rows(self) -> int:
        """The number of series."""
        return len(self.series)

    def anywhere(self) -> Bools:
        """At which times any series has a value."""
        found: Bools = np.logical_or.reduce(self.present, axis=0)
        return found


def empty(steps: int) -> Frame:
    """A vector without series."""
    return Frame(NO_SERIES, np.empty((0, steps)), np.empty((0, steps), bool), np.empty(0, bool))


def row(series: SeriesSet, values: Floats, present: Bools | None = None) -> Frame:
    """A vector of one series."""
    there = np.ones(values.shape, bool) if present is None else present
    return Frame(series, values[None, :], there[None, :], np.zeros(1, bool))


def stacked(frames: Sequence[Frame], series: SeriesSet | None = None) -> Frame:
    """The rows of some frames, at least one, one below the other.

    Args:
        frames: The frames.
        series: All their series, if somebody has them ready.
    """
    if series is None:
        series = SeriesSet(labels for frame in frames for labels in frame.series.labels)
    return Frame(
        series,
        np.concatenate([frame.values for frame in frames]),
        np.concatenate([frame.present for frame in frames]),
        np.concatenate([frame.nameless for frame in frames]),
    )


def taken(frame: Frame, rows: Indices) -> Frame:
    """Some rows of a frame."""
    return Frame(frame.series.take(rows), frame.values[rows], frame.present[rows], frame.nameless[rows])


def compact(frame: Frame) -> Frame:
    """The frame without the rows that have no value at any time."""
    used = frame.present.any(axis=1)
    return frame if used.all() else taken(frame, np.flatnonzero(used))


def merged(frame: Frame) -> Frame:
    """The frame with each label set in one row.

    Raises:
        QueryError: Two rows with the same labels have values at the same time.
    """
    groups = frame.series.memo("same", lambda: grouped(frame.series.labels))
    if len(groups.series) == frame.rows:
        return frame
    overlap = np.add.reduceat(frame.present[groups.order].astype(np.intp), groups.starts, axis=0)
    if (overlap > 1).any():
        raise QueryError(SAME_LABELS)
    first = groups.order[groups.starts]
    values, present = np.zeros((len(groups.series), frame.values.shape[1])), overlap > 0
    rows, steps = np.nonzero(frame.present)
    values[groups.index[rows], steps] = frame.values[rows, steps]
    return Frame(groups.series, values, present, frame.nameless[first])


def named_for_good(frame: Frame) -> Frame:
    """The frame with the names gone that were to go, each label set in one row.

    Raises:
        QueryError: Without their names, two series are the same at the same time.
    """
    frame = compact(frame)
    if frame.nameless.any():
        series = _without_names(frame)
        frame = Frame(series, frame.values, frame.present, np.zeros(len(series), bool))
    return merged(frame)


def _without_names(frame: Frame) -> SeriesSet:
    def strip(labels: Labels, nameless: bool) -> Labels:  # noqa: FBT001 - mapped over two columns
        return without_metadata(labels) if nameless else labels

    if frame.nameless.all():
        return frame.series.memo("nameless", lambda: SeriesSet(map(without_metadata, frame.series.labels)))
    return SeriesSet(map(strip, frame.series.labels, frame.nameless.tolist()))
