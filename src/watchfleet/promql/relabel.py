"""Functions that change labels: label_replace and label_join."""

import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from watchfleet.promql.errors import QueryError
from watchfleet.promql.frame import Frame, merged
from watchfleet.promql.labels import NAME, Labels, replace, value_of
from watchfleet.promql.matchers import PatternError, compile_pattern, full_match
from watchfleet.promql.names import is_label_name
from watchfleet.promql.series import SeriesSet

_REFERENCE: Final = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))", re.ASCII)


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
        return labels if found is None else replace(labels, destination, _expand(template, found))

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


def _expand(template: str, found: Any) -> str:
    """The template with `$1`, `${name}` and `$$` filled in as Go's Regexp.Expand does."""
    groups = found.re.groupindex

    def value(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        number = int(name) if name.isdigit() and len(name) < 4 else groups.get(name, -1)
        return (found.group(number) or "") if 0 <= number <= found.re.groups else ""

    return _REFERENCE.sub(value, template)
