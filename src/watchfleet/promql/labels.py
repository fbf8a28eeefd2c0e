"""Label sets as the engine holds them: sorted pairs, hashable, without empty values."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from watchfleet.promql.format import quote
from watchfleet.promql.names import is_legacy_name

Labels = tuple[tuple[str, str], ...]
"""One series' labels as (name, value) pairs, sorted by name; compares as Prometheus orders series."""

NAME: Final = "__name__"
METADATA: Final = (NAME, "__type__", "__unit__")
"""Labels that say what is measured; they go together when a function makes something else of it."""
EMPTY: Final[Labels] = ()


def labels_of(mapping: Mapping[str, str]) -> Labels:
    """The label set that a mapping means; a label with an empty value is no label."""
    return tuple(sorted((name, value) for name, value in mapping.items() if value))


def value_of(labels: Labels, name: str) -> str:
    """The label's value, empty if there is no such label."""
    for key, value in labels:
        if key == name:
            return value
    return ""


def keep(labels: Labels, names: Iterable[str]) -> Labels:
    """Only the labels with these names."""
    return tuple(pair for pair in labels if pair[0] in names)


def drop(labels: Labels, names: Iterable[str]) -> Labels:
    """All labels but those with these names."""
    return tuple(pair for pair in labels if pair[0] not in names)


def without_metadata(labels: Labels) -> Labels:
    """The labels without the metric's name, type and unit."""
    return tuple(pair for pair in labels if pair[0] not in METADATA)


def replace(labels: Labels, name: str, value: str) -> Labels:
    """The labels with one of them set, or removed if the value is empty."""
    rest = tuple(pair for pair in labels if pair[0] != name)
    return tuple(sorted((*rest, (name, value)))) if value else rest


@lru_cache(maxsize=4096)
def format_labels(labels: Labels) -> str:
    """The labels as error messages show them, such as `{__name__="up", job="api"}`."""
    inside = ", ".join(f"{_format_name(name)}={quote(value)}" for name, value in labels)
    return f"{{{inside}}}"


def _format_name(name: str) -> str:
    return name if is_legacy_name(name) else quote(name)
