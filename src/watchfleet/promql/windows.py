"""The samples in the window before each evaluation time, for all series at once."""

from dataclasses import dataclass

import numpy as np

from watchfleet.promql.frame import Frame, Grid
from watchfleet.promql.limits import Budget
from watchfleet.promql.segments import Segments
from watchfleet.promql.series import Bools, Floats, Ints, SeriesSet
from watchfleet.promql.source import Columns, without_stale


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """A range vector at each time of a grid.

    Attributes:
        series: The series, one per row.
        nameless: The rows whose metric's name goes at last.
        timestamps: All samples' times in milliseconds, one series after the other.
        values: The samples' values.
        low: Rows by times: where the window's first sample is.
        high: Rows by times: the place after the window's last sample.
        starts: When each window begins, this instant not included; milliseconds.
        ends: When each window ends, included.
        times: When each window is asked for.
        budget: What the query may still cost.
        weights: How many samples each value stands for; None if each is but itself.
    """

    series: SeriesSet
    nameless: Bools
    timestamps: Ints
    values: Floats
    low: Ints
    high: Ints
    starts: Ints
    ends: Ints
    times: Ints
    budget: Budget
    weights: Floats | None = None

    @property
    def counts(self) -> Ints:
        """How many samples each window has."""
        return self.high - self.low

    def anywhere(self) -> Bools:
        """At which times any window has a sample."""
        found: Bools = np.logical_or.reduce(self.counts > 0, axis=0)
        return found

    @property
    def seconds(self) -> float:
        """How long the windows are."""
        return float(self.ends[0] - self.starts[0]) / 1000

    def first(self) -> Ints:
        """Where each window's first sample is, or any place if it has none."""
        return np.minimum(self.low, max(0, len(self.values) - 1))

    def last(self) -> Ints:
        """Where each window's last sample is, or any place if it has none."""
        return np.maximum(self.high - 1, 0)

    def segments(self) -> Segments:
        """The windows as stretches of the samples, row after row."""
        return Segments(self.values, self.low.ravel(), self.counts.ravel(), self.budget)

    def totals(self) -> Floats:
        """How many samples the values of each window stand for."""
        if self.weights is None:
            return self.counts.astype(np.float64)
        return self.shaped(Segments(self.weights, self.low.ravel(), self.counts.ravel(), self.budget).sums())

    def shaped(self, values: Floats) -> Floats:
        """Numbers that come one per stretch, as rows by times."""
        return values.reshape(self.low.shape)

    def frame(self, values: Floats, present: Bools, *, keeps_name: bool = False) -> Frame:
        """A result with one value per window."""
        nameless = self.nameless if keeps_name else np.ones(len(self.series), bool)
        return Frame(self.series, values, present, nameless)


def locate(columns: Columns, references: Ints) -> Ints:
    """How many of all samples lie before or at each reference time, series by series.

    Args:
        columns: The samples.
        references: Times in milliseconds.

    Returns:
        Rows by times: the place after the last sample of the row's series that is not later. One binary
        search serves all series, because each is moved to a stretch of the number line of its own.
    """
    rows, ts = len(columns.series), columns.timestamps
    if not len(ts) or not len(references):
        return np.zeros((rows, len(references)), np.int64)
    if len(references) == 1 and ts.max() <= references[0]:
        return columns.offsets[1:, None]
    if len(references) == 1 and ts.min() > references[0]:
        return columns.offsets[:-1, None]
    base = int(ts.min()) - 1
    span = int(ts.max()) - base + 1
    shift = np.arange(rows, dtype=np.int64) * span
    keys = ts - base + np.repeat(shift, np.diff(columns.offsets))
    wanted = np.clip(references, base, base + span - 1) - base
    return np.searchsorted(keys, shift[:, None] + wanted[None, :], side="right").astype(np.int64)


def windows_of(
    columns: Columns,
    nameless: Bools,
    *,
    references: Ints,
    width: int,
    times: Ints,
    budget: Budget,
    before: int = 0,
    after: int = 0,
) -> Windows:
    """The windows of a range selector or a subquery.

    Args:
        columns: The samples.
        nameless: The rows whose metric's name goes at last.
        references: When the windows end; one time serves all if `@` fixes it.
        width: How long they are, in milliseconds.
        times: When they are asked for.
        budget: What the query may still cost.
        before: Also take samples from so many milliseconds before the window, for `anchored`.
        after: And from so many after it, for `smoothed`.
    """
    columns = without_stale(columns)
    budget.hold(len(columns.series), len(times))
    shape = (len(columns.series), len(times))
    low = np.broadcast_to(locate(columns, references - width - before), shape)
    high = np.broadcast_to(locate(columns, references + after), shape)
    ends = np.broadcast_to(references, times.shape)
    return Windows(
        columns.series,
        nameless,
        columns.timestamps,
        columns.values,
        low,
        high,
        ends - width,
        ends,
        times,
        budget,
        columns.weights,
    )


def columns_of_frame(frame: Frame, grid: Grid) -> Columns:
    """What a subquery evaluated to, as samples."""
    rows, steps = np.nonzero(frame.present)
    offsets = np.zeros(frame.rows + 1, np.int64)
    np.cumsum(frame.present.sum(axis=1), out=offsets[1:])
    return Columns(frame.series, grid.times()[steps], frame.values[rows, steps], offsets)
