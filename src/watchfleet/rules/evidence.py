"""What the data say of alerts that a rule's expression no longer gives: are they well, or only unheard of?"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final

from watchfleet.model import Kind
from watchfleet.promql import (
    Columns,
    Expression,
    Fetch,
    QueryError,
    Scalar,
    SeriesSource,
    Vector,
    instant,
    plan,
)
from watchfleet.promql.labels import NAME
from watchfleet.rules.freshness import has_data, stopped
from watchfleet.rules.state import Condition

Subject = frozenset[tuple[str, str]]
"""The labels that an alert has from its series."""

_OCCASIONAL: Final = (Kind.EVENT, Kind.DURATION)
"""Series that are silent while nothing happens."""


class Evidence:
    """What a rule's series say at one evaluation; read and computed only as far as somebody asks.

    Args:
        open_expression: The rule's expression without filters, see `presence.without_filters`.
        own: The labels that the rule sets; an alert has the others from its series.
        source: Where the samples are.
        at: The time that is queried, in Unix seconds.
        kinds: Gives the kind of each metric, by its name.
    """

    def __init__(
        self,
        open_expression: Expression,
        own: Mapping[str, str],
        source: SeriesSource,
        at: float,
        kinds: Callable[[], Mapping[str, str]],
    ) -> None:
        self._expression, self._source, self._at, self._kinds = open_expression, source, at, kinds
        self._hidden = {NAME, "alertname", *own}

    @cached_property
    def has_data(self) -> bool:
        """Whether there is anything that the rule could be about."""
        found = [has_data(columns, fetch.window) for fetch, columns in self._columns.items()]
        if all(found) or self._is_occasional:
            return True
        if not any(found):
            return False
        return self._present is None or bool(self._present)

    def condition(self, labels: Mapping[str, str]) -> Condition:
        """What it means for an alert with these labels that the expression does not give it."""
        subject = self._subject(labels.items())
        if self._present is not None and subject not in self._present:
            return Condition.MISSING
        silent = [is_silent for series, is_silent in self._series if _related(series, subject)]
        if not any(silent):
            return Condition.FALSE
        return Condition.UNKNOWN if all(is_silent for _, is_silent in self._series) else Condition.MISSING

    @cached_property
    def _columns(self) -> dict[Fetch, Columns]:
        fetches = plan(self._expression, self._at, self._at)
        return dict(zip(fetches, self._source.select(fetches), strict=True))

    @cached_property
    def _is_occasional(self) -> bool:
        """Whether it is normal that some series have no samples, as nothing has happened."""
        kinds = self._kinds()
        names = {name for columns in self._columns.values() for name in columns.series.metric_names()}
        return any(kinds.get(name) in _OCCASIONAL for name in names)

    @cached_property
    def _present(self) -> set[Subject] | None:
        """The series that there are; None if it cannot be told."""
        if self._is_occasional:
            return None
        try:
            value = instant(self._source, self._expression, self._at)
        except QueryError:  # without its filters, more series match one than it allows
            return None
        if isinstance(value, Scalar):
            return {frozenset()}
        return {self._subject(labels) for labels in value.labels} if isinstance(value, Vector) else None

    @cached_property
    def _series(self) -> list[tuple[Mapping[str, str], bool]]:
        """The labels of each series that should have samples all the time, and whether it stopped."""
        return list(self._judged())

    def _judged(self) -> Iterator[tuple[Mapping[str, str], bool]]:
        kinds = self._kinds()
        for fetch, columns in self._columns.items():
            silent = stopped(columns, fetch.end).tolist()
            counts = (columns.offsets[1:] - columns.offsets[:-1]).tolist()
            for labels, is_silent, count in zip(columns.series.labels, silent, counts, strict=True):
                series = dict(labels)
                if count and kinds.get(series.get(NAME, "")) not in _OCCASIONAL:
                    yield series, is_silent

    def _subject(self, labels: Iterable[tuple[str, str]]) -> Subject:
        return frozenset((name, value) for name, value in labels if name not in self._hidden)


def _related(series: Mapping[str, str], subject: Subject) -> bool:
    """Whether a series may be one of those that an alert is about."""
    return all(series.get(name, value) == value for name, value in subject)
