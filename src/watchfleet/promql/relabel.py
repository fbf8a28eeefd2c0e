"""Functions that change labels: label_replace and label_join."""

from collections.abc import Callable

import numpy as np

from watchfleet.patterns import PatternError, compile_pattern, expand, full_match
from watchfleet.promql.errors import QueryError
from watchfleet.promql.frame import Frame, merged
from watchfleet.promql.labels import NAME, Labels, replace, value_of
from watchfleet.promql.names import is_label_name
from watchfleet.promql.series import SeriesSet


def label_replace(frame: Frame, destination: str, template: str, source: str, pattern: str) -> Frame:
    """Each series with a label set from the parts of another that a pattern finds, if it matches whole.

    Raises:
        QueryError: A name or the pattern is malformed, or two series come to have the same labels.
    """
    try:
        compiled = compile_pattern(pattern)
    except PatternError as error:
        raise QueryError(f"invalid regular expression in label_replace(): {pattern}") from error
    if not is_label_name(destination):
        raise QueryError(f"invalid destination label name in label_replace(): {destination}")

    def change(labels: Labels) -> Labels:
        found = full_match(compiled, value_of(labels, source))
        return labels if found is None else replace(labels, destination, expand(template, found))

    key = ("label_replace", destination, template, source, pattern)
    return _changed(frame, key, destination, change)


def label_join(frame: Frame, destination: str, separator: str, sources: tuple[str, ...]) -> Frame:
    """Each series with a label set to others' values, joined.

    Raises:
        QueryError: A name is malformed, or two series come to have the same labels.
    """
    for name in sources:
        if not is_label_name(name):
            raise QueryError(f"invalid source label name in label_join(): {name}")
    if not is_label_name(destination):
        raise QueryError(f"invalid destination label name in label_join(): {destination}")

    def change(labels: Labels) -> Labels:
        joined = separator.join(value_of(labels, name) for name in sources)
        return replace(labels, destination, joined)

    return _changed(frame, ("label_join", destination, separator, sources), destination, change)


def _changed(
    frame: Frame, key: tuple[object, ...], destination: str, change: Callable[[Labels], Labels]
) -> Frame:
    series = frame.series.memo(key, lambda: SeriesSet(map(change, frame.series.labels)))
    nameless = frame.nameless
    if destination == NAME:
        changed = [new is not old for new, old in zip(series.labels, frame.series.labels, strict=True)]
        nameless = nameless & ~np.array(changed, bool)
    return merged(Frame(series, frame.values, frame.present, nameless))
