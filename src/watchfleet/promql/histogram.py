"""Classic histograms: series with a bucket's upper bound in the label `le`."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from watchfleet.promql.annotations import Annotations, Fall
from watchfleet.promql.buckets import Buckets, quantiles, shares
from watchfleet.promql.errors import Span
from watchfleet.promql.format import format_openmetrics, quote
from watchfleet.promql.frame import Frame, empty, stacked
from watchfleet.promql.labels import NAME, Labels, drop, replace, value_of
from watchfleet.promql.series import Bools, Floats, Ints, SeriesSet

_BUCKET: Final = "le"


@dataclass(frozen=True, slots=True, eq=False)
class _Histograms:
    """Histograms that have the same buckets.

    Attributes:
        labels: The label set of each, without `le`.
        bounds: The buckets' upper bounds, rising.
        rows: Histograms by buckets: the rows of the vector.
    """

    labels: list[Labels]
    bounds: Floats
    rows: Ints


def quantile(q: Floats, frame: Frame, remarks: Annotations, span: Span, times: Ints) -> Frame:
    """The q-quantile of each histogram.

    Args:
        q: One for each time.
        frame: The vector that holds the buckets.
        remarks: Where to say that buckets are malformed or fall.
        span: The argument that holds the buckets.
        times: The evaluation times, in milliseconds.
    """

    def compute(part: _Histograms, lanes: Ints, buckets: Buckets) -> Floats:
        steps = lanes % len(q)
        result, mended = quantiles(q[steps], buckets)
        for lane in np.flatnonzero(mended.difference > 0).tolist():
            metric = value_of(part.labels[int(lanes[lane]) // len(q)], NAME)
            fall = Fall(*(float(part[lane]) for part in (mended.lowest, mended.highest, mended.difference)))
            remarks.forced_monotonicity(metric, span, int(times[steps[lane]]), fall)
        return result

    return _computed(frame, remarks, span, compute)


def fraction(lower: Floats, upper: Floats, frame: Frame, remarks: Annotations, span: Span) -> Frame:
    """The share of each histogram's observations between two bounds, one pair for each time."""

    def compute(_part: _Histograms, lanes: Ints, buckets: Buckets) -> Floats:
        steps = lanes % len(lower)
        return shares(lower[steps], upper[steps], buckets)

    return _computed(frame, remarks, span, compute)


def labelled(frame: Frame, label: str, q: Floats) -> Frame:
    """The quantiles of `histogram_quantiles`, with the label that tells which each is."""
    parts = [empty(len(q))]
    for value in np.unique(q).tolist():
        text = format_openmetrics(value)
        series = SeriesSet(replace(labels, label, text) for labels in frame.series.labels)
        asked = np.isnan(q) if math.isnan(value) else q == value
        parts.append(Frame(series, frame.values, frame.present & asked, frame.nameless))
    return stacked(parts)


def _computed(
    frame: Frame,
    remarks: Annotations,
    span: Span,
    compute: Callable[[_Histograms, Ints, Buckets], Floats],
) -> Frame:
    """One result for each histogram at each time when it has any bucket."""
    steps = frame.values.shape[1]
    labels: list[Labels] = []
    values, present = [np.empty((0, steps))], [np.empty((0, steps), bool)]
    for part in _histograms(frame, remarks, span):
        shape = (len(part.labels), steps)
        there: Bools = np.logical_or.reduce(frame.present[part.rows], axis=1)
        result = np.zeros(shape).ravel()
        for lanes, buckets in _lanes(part, frame):
            result[lanes] = compute(part, lanes, buckets)
        labels += part.labels
        values.append(result.reshape(shape))
        present.append(there)
    if not labels:
        return empty(steps)
    nameless = np.ones(len(labels), bool)
    return Frame(SeriesSet(labels), np.concatenate(values), np.concatenate(present), nameless)


def _lanes(part: _Histograms, frame: Frame) -> Iterator[tuple[Ints, Buckets]]:
    """The histograms at each time, place = histogram x times + time; those with the same buckets together."""
    size = len(part.bounds)
    counts = frame.values[part.rows].transpose(0, 2, 1).reshape(-1, size)
    there = frame.present[part.rows].transpose(0, 2, 1).reshape(-1, size)
    if there.all():
        yield np.arange(len(counts)), Buckets(part.bounds, counts)
        return
    patterns, which = np.unique(there, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if pattern.any():
            lanes = np.flatnonzero(which.ravel() == number)
            yield lanes, Buckets(part.bounds[pattern], counts[lanes][:, pattern])


def _histograms(frame: Frame, remarks: Annotations, span: Span) -> list[_Histograms]:
    """The histograms of a vector; rows whose `le` is no number are left out with a warning."""
    buckets: dict[Labels, list[tuple[float, int]]] = defaultdict(list)
    for place, labels in enumerate(frame.series.labels):
        if not frame.present[place].any():
            continue
        bound = _bound(value_of(labels, _BUCKET))
        if bound is None:
            _remark_bound(labels, remarks, span)
        else:
            buckets[drop(labels, (_BUCKET,))].append((bound, place))
    alike: dict[tuple[float, ...], list[tuple[Labels, list[int]]]] = defaultdict(list)
    for labels, rows in buckets.items():
        rows.sort()
        alike[tuple(bound for bound, _ in rows)].append((labels, [place for _, place in rows]))
    return [
        _Histograms([labels for labels, _ in group], np.array(bounds), np.array([rows for _, rows in group]))
        for bounds, group in alike.items()
    ]


def _bound(text: str) -> float | None:
    try:
        bound = float(text) if text.strip() == text and "_" not in text else math.nan
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


def _remark_bound(labels: Labels, remarks: Annotations, span: Span) -> None:
    metric = value_of(labels, NAME)
    named = f" for metric name {quote(metric)}" if metric else ""
    value = quote(value_of(labels, _BUCKET))
    remarks.warn(f'bucket label "le" is missing or has a malformed value of {value}{named}', span)
