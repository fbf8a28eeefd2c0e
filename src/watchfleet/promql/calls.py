"""Function calls: arguments evaluated, and handed to what computes the function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from watchfleet.promql import (
    dates,
    elementwise,
    extended,
    histogram,
    info,
    ordering,
    over_time,
    rates,
    relabel,
    trends,
)
from watchfleet.promql.check import string_argument
from watchfleet.promql.frame import Frame, Grid, empty, merged, row, stacked
from watchfleet.promql.labels import NAME, Labels, labels_of
from watchfleet.promql.nodes import Call, MatrixSelector, Node, VectorSelector, unwrap
from watchfleet.promql.series import ONE_SERIES, Floats, SeriesSet

if TYPE_CHECKING:
    from watchfleet.promql.context import Context
    from watchfleet.promql.evaluate import Evaluator
    from watchfleet.promql.windows import Windows

_COUNTER_ENDINGS: Final = ("_total", "_sum", "_count", "_bucket")

_OVER_WINDOWS: Final[dict[str, Callable[[Windows], Frame]]] = {
    **over_time.OVER_TIME,
    "changes": rates.changes,
    "delta": rates.delta,
    "deriv": trends.derivative,
    "idelta": rates.idelta,
    "increase": rates.increase,
    "irate": rates.irate,
    "rate": rates.rate,
    "resets": rates.resets,
}


def call(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    """The value of a function that gives an instant vector.

    Raises:
        QueryError: It has none.
    """
    name = node.function.name
    if name in _OVER_WINDOWS:
        return _over_windows(evaluator, node, grid)
    if name in elementwise.ELEMENTWISE:
        frame = evaluator.vector(node.args[0], grid)
        return elementwise.mapped(frame, elementwise.ELEMENTWISE[name](frame.values))
    if name in dates.PARTS:
        return _date(evaluator, node, grid)
    return _CALLS[name](evaluator, node, grid)


def _over_windows(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    name, argument = node.function.name, node.args[0]
    windows = evaluator.windows(argument, grid, name)
    inner = unwrap(argument)
    if isinstance(inner, MatrixSelector) and inner.selector.extension:
        frame = extended.apply(name, inner.selector.extension, windows)
    else:
        frame = _OVER_WINDOWS[name](windows)
    if name in {"rate", "increase"}:
        _remark_gauges(evaluator, frame, argument)
    return frame


def _remark_gauges(evaluator: Evaluator, frame: Frame, argument: Node) -> None:
    """Say which metrics do not look like counters by their names."""
    names = frame.series.memo("gauges", lambda: _gauges(frame.series))
    for name, rows in names.items():
        if frame.present[rows].any():
            message = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket"
            evaluator.context.annotations.info(f'{message}: "{name}"', argument.span)


def _gauges(series: SeriesSet) -> dict[str, list[int]]:
    gauges: dict[str, list[int]] = {}
    for place, name in enumerate(series.metric_names()):
        if name and not name.endswith(_COUNTER_ENDINGS):
            gauges.setdefault(name, []).append(place)
    return gauges


def _date(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    name = node.function.name
    if not node.args:
        return row(ONE_SERIES, dates.part_of_date(name, np.trunc(grid.times() / 1000)))
    frame = evaluator.vector(node.args[0], grid)
    return elementwise.mapped(frame, dates.part_of_date(name, frame.values))


def _absent(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    frame = evaluator.vector(node.args[0], grid)
    missing = ~frame.anywhere()
    return row(SeriesSet((absent_labels(node.args[0]),)), np.ones(grid.count), missing)


def _absent_over_time(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    windows = evaluator.windows(node.args[0], grid)
    missing = ~windows.anywhere()
    return row(SeriesSet((absent_labels(node.args[0]),)), np.ones(grid.count), missing)


def absent_labels(argument: Node) -> Labels:
    """The labels that a selector asks for with `=`, each but once."""
    inner = unwrap(argument)
    selector = inner.selector if isinstance(inner, MatrixSelector) else inner
    if not isinstance(selector, VectorSelector):
        return ()
    matchers = [matcher for matcher in selector.matchers if matcher.name != NAME]
    wanted: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in matchers:
        if matcher.op == "=" and matcher.name not in seen:
            wanted[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            wanted.pop(matcher.name, None)
    return labels_of(wanted)


def _clamp(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    frame = evaluator.vector(node.args[0], grid)
    bounds = [evaluator.scalar(argument, grid) for argument in node.args[1:]]
    infinite = np.full(grid.count, np.inf)
    match node.function.name:
        case "clamp_min":
            return elementwise.clamp(frame, bounds[0], infinite)
        case "clamp_max":
            return elementwise.clamp(frame, -infinite, bounds[0])
    return elementwise.clamp(frame, *bounds)


def _round(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    frame = evaluator.vector(node.args[0], grid)
    given = len(node.args) > 1
    return elementwise.rounded(frame, evaluator.scalar(node.args[1], grid) if given else np.ones(grid.count))


def _timestamp(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    inner = unwrap(node.args[0])
    if isinstance(inner, VectorSelector):
        sampled = evaluator.sampled(inner, grid)
        return elementwise.mapped(sampled.frame, sampled.timestamps / 1000)
    frame = evaluator.vector(inner, grid)
    return elementwise.mapped(frame, np.broadcast_to(grid.times() / 1000, frame.values.shape))


def _vector(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    return row(ONE_SERIES, evaluator.scalar(node.args[0], grid))


def _sorted(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    frame = evaluator.vector(node.args[0], grid)
    if grid.count > 1:
        message = "sort is ineffective for range queries since results are always ordered by labels"
        evaluator.context.annotations.warn(message, node.span)
        return frame
    descending = node.function.name.endswith("_desc")
    if node.function.name in {"sort", "sort_desc"}:
        return ordering.by_value(frame, descending=descending)
    labels = tuple(string_argument(argument) for argument in node.args[1:])
    return ordering.by_label(frame, labels, descending=descending)


def _label_replace(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    texts = [string_argument(argument) for argument in node.args[1:]]
    return relabel.label_replace(evaluator.vector(node.args[0], grid), *texts)


def _label_join(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    destination, separator, *sources = (string_argument(argument) for argument in node.args[1:])
    return relabel.label_join(evaluator.vector(node.args[0], grid), destination, separator, tuple(sources))


def _predict_linear(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    windows = evaluator.windows(node.args[0], grid)
    return trends.prediction(windows, evaluator.scalar(node.args[1], grid))


def _double_exponential_smoothing(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    windows = evaluator.windows(node.args[0], grid)
    smoothing, trend = (evaluator.scalar(argument, grid) for argument in node.args[1:])
    return trends.smoothed(windows, smoothing, trend)


def _quantile_over_time(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    q = evaluator.scalar(node.args[0], grid)
    windows = evaluator.windows(node.args[1], grid, node.function.name)
    remark_quantiles(evaluator, q[windows.anywhere()], node.args[0])
    return over_time.quantile(windows, q)


def remark_quantiles(evaluator: Evaluator, q: Floats, argument: Node) -> None:
    """Warn of quantiles that are not between 0 and 1."""
    for value in np.unique(q[~((q >= 0) & (q <= 1))]).tolist():
        evaluator.context.annotations.invalid_quantile(value, argument.span)


def _histogram_quantile(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    q = evaluator.scalar(node.args[0], grid)
    remark_quantiles(evaluator, q, node.args[0])
    frame = evaluator.vector(node.args[1], grid)
    remarks, span = evaluator.context.annotations, node.args[1].span
    return histogram.quantile(q, frame, remarks, span, grid.times())


def _histogram_quantiles(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    frame = evaluator.vector(node.args[0], grid)
    label = string_argument(node.args[1])
    remarks, span = evaluator.context.annotations, node.args[0].span
    parts = [empty(grid.count)]
    for argument in node.args[2:]:
        q = evaluator.scalar(argument, grid)
        remark_quantiles(evaluator, q, argument)
        found = histogram.quantile(q, frame, remarks, span, grid.times())
        parts.append(histogram.labelled(found, label, q))
    return merged(stacked(parts))


def _histogram_fraction(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    lower, upper = (evaluator.scalar(argument, grid) for argument in node.args[:2])
    frame = evaluator.vector(node.args[2], grid)
    return histogram.fraction(lower, upper, frame, evaluator.context.annotations, node.args[2].span)


def _native_only(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    """Functions of native histograms: floats are passed over, and there is nothing else."""
    evaluator.vector(node.args[0], grid)
    return empty(grid.count)


def _info(evaluator: Evaluator, node: Call, grid: Grid) -> Frame:
    frame = evaluator.vector(node.args[0], grid)
    matchers = (
        node.args[1].matchers if len(node.args) > 1 and isinstance(node.args[1], VectorSelector) else ()
    )
    want = info.wanted(matchers)
    selector = VectorSelector("", want.matchers, node.span)
    infos = evaluator.sampled(selector, grid)
    return info.enriched(frame, infos.frame, infos.timestamps, want)


_CALLS: Final[dict[str, Callable[[Evaluator, Call, Grid], Frame]]] = {
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "clamp": _clamp,
    "clamp_max": _clamp,
    "clamp_min": _clamp,
    "double_exponential_smoothing": _double_exponential_smoothing,
    "histogram_avg": _native_only,
    "histogram_count": _native_only,
    "histogram_fraction": _histogram_fraction,
    "histogram_quantile": _histogram_quantile,
    "histogram_quantiles": _histogram_quantiles,
    "histogram_stddev": _native_only,
    "histogram_stdvar": _native_only,
    "histogram_sum": _native_only,
    "info": _info,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "predict_linear": _predict_linear,
    "quantile_over_time": _quantile_over_time,
    "round": _round,
    "sort": _sorted,
    "sort_by_label": _sorted,
    "sort_by_label_desc": _sorted,
    "sort_desc": _sorted,
    "timestamp": _timestamp,
    "vector": _vector,
}


def _scalar(evaluator: Evaluator, node: Call, grid: Grid) -> Floats:
    """The value of the only series; NaN if there is none or more than one."""
    frame = evaluator.vector(node.args[0], grid)
    alone = frame.present.sum(axis=0) == 1
    return np.where(alone, np.where(frame.present, frame.values, 0).sum(axis=0), np.nan)


def _constant(value: Callable[[Context], float]) -> Callable[[Evaluator, Call, Grid], Floats]:
    return lambda evaluator, _, grid: np.full(grid.count, value(evaluator.context))


def _extreme(
    pick: Callable[[Floats, Floats], Floats],
) -> Callable[[Evaluator, Call, Grid], Floats]:
    return lambda evaluator, node, grid: pick(*(evaluator.scalar(argument, grid) for argument in node.args))


SCALAR_CALLS: Final[dict[str, Callable[[Evaluator, Call, Grid], Floats]]] = {
    "end": _constant(lambda query: query.end / 1000),
    "max_of": _extreme(elementwise.max_of),
    "min_of": _extreme(elementwise.min_of),
    "pi": _constant(lambda _: np.pi),
    "range": _constant(lambda query: query.width / 1000),
    "scalar": _scalar,
    "start": _constant(lambda query: query.grid.start / 1000),
    "step": _constant(lambda query: query.step / 1000),
    "time": lambda _, __, grid: grid.times() / 1000,
}
"""The functions that give a scalar."""
