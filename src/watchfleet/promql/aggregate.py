"""Aggregations that give one series per group: sum, avg, min, max, count, quantile and so on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from watchfleet.promql.errors import QueryError
from watchfleet.promql.format import format_value, quote
from watchfleet.promql.frame import Frame, empty
from watchfleet.promql.labels import Labels, drop, keep, replace
from watchfleet.promql.limits import Budget
from watchfleet.promql.names import is_label_name
from watchfleet.promql.segments import Segments
from watchfleet.promql.series import Bools, Floats, Groups, SeriesSet


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The values of each group at each time.

    Attributes:
        groups: The groups.
        segments: One stretch per time and group, all groups of the first time first.
        counts: Groups by times: how many values there are.
    """

    groups: Groups
    segments: Segments
    counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]

    def shaped(self, values: Floats) -> Floats:
        """Numbers that come one per stretch, as groups by times."""
        return values.reshape(self.counts.shape[1], self.counts.shape[0]).T


def aggregated(
    op: str, frame: Frame, labels: tuple[str, ...], param: Floats, budget: Budget, *, without: bool
) -> Frame:
    """The aggregation of a vector.

    Args:
        op: Which one; not those that pick series, nor count_values.
        frame: The vector.
        labels: The labels that make the groups.
        param: The quantile, one for each time; ignored by the other aggregations.
        budget: What the query may still cost.
        without: Whether the groups are by all labels but these.
    """
    if not frame.rows:
        return empty(frame.values.shape[1])
    members = _members(frame, frame.series.groups(without=without, names=labels), budget)
    values = members.shaped(_AGGREGATES[op](members, param))
    groups = members.groups
    nameless = frame.nameless[groups.order[groups.starts]]
    return Frame(groups.series, values, members.counts > 0, nameless)


def _members(frame: Frame, groups: Groups, budget: Budget) -> Members:
    values, present = frame.values[groups.order].T, frame.present[groups.order].T
    budget.hold(*frame.values.shape)
    counts = np.add.reduceat(present.astype(np.int64), groups.starts, axis=1)
    lengths = counts.ravel()
    low = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    return Members(groups, Segments(values[present], low, lengths, budget), counts.T)


def _quantile(members: Members, q: Floats) -> Floats:
    return members.segments.quantiles(np.repeat(q, len(members.groups.series)))


_AGGREGATES: Final[dict[str, Callable[[Members, Floats], Floats]]] = {
    "avg": lambda members, _: members.segments.means(),
    "count": lambda members, _: members.segments.lengths.astype(np.float64),
    "group": lambda members, _: np.ones(len(members.segments.low)),
    "max": lambda members, _: members.segments.reduce(np.fmax),
    "min": lambda members, _: members.segments.reduce(np.fmin),
    "quantile": _quantile,
    "stddev": lambda members, _: np.sqrt(members.segments.variances(compensated=False)),
    "stdvar": lambda members, _: members.segments.variances(compensated=False),
    "sum": lambda members, _: members.segments.sums(-0.0),
}


def count_values(
    label: str, frame: Frame, labels: tuple[str, ...], budget: Budget, *, without: bool
) -> Frame:
    """How many series of each group have each value; the value becomes a label.

    Raises:
        QueryError: The label's name is malformed.
    """
    if not is_label_name(label):
        raise QueryError(f"invalid label name {quote(label)}")
    counts: dict[Labels, Floats] = {}
    steps = frame.values.shape[1]
    group = _grouping(labels, label, without=without)
    for row, own in enumerate(frame.series.labels):
        for value in np.unique(frame.values[row][frame.present[row]]).tolist():
            key = group(replace(own, label, format_value(value)))
            counts.setdefault(key, np.zeros(steps))
            counts[key] += _equal(frame.values[row], value) & frame.present[row]
            budget.hold(len(counts), steps)
    if not counts:
        return empty(steps)
    values = np.array(list(counts.values()))
    return Frame(SeriesSet(counts), values, values > 0, np.zeros(len(counts), bool))


def _grouping(labels: tuple[str, ...], label: str, *, without: bool) -> Callable[[Labels], Labels]:
    if without:
        return lambda own: drop(own, (*labels, "__name__"))
    return lambda own: keep(own, (*labels, label))


def _equal(values: Floats, value: float) -> Bools:
    return np.isnan(values) if np.isnan(value) else values == value
