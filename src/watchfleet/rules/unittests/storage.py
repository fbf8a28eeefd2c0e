"""The series of one test: those that it begins with, and those that its rules add."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from watchfleet.promql import STALE, Columns, Fetch, MemorySeries
from watchfleet.promql.labels import Labels, labels_of
from watchfleet.promql.query import milliseconds
from watchfleet.rules.unittests.cases import InputSeries


class TestStorage:
    """A source in which time passes: samples later than `until` are not there yet, as in promtool.

    Args:
        series: What the test begins with; of those that are the same, the last one counts.
        start: The time of the first values.
        interval: From one value to the next.
    """

    __test__ = False  # it is not one of pytest's

    def __init__(self, series: Iterable[InputSeries], start: datetime, interval: timedelta) -> None:
        self._memory = MemorySeries()
        self._until = milliseconds(start)
        self._given: dict[Labels, set[int]] = {}
        step = round(interval.total_seconds() * 1000)
        for one in {series.labels: series for series in series}.values():
            samples = {
                self._until + place * step: value
                for place, value in enumerate(one.values)
                if value is not None
            }
            if samples:
                self._memory.append(one.labels, samples, samples.values())
            self._given[one.labels] = set(samples)

    def pass_to(self, at: datetime) -> None:
        """Let the samples up to a time be there."""
        self._until = milliseconds(at)

    def add(self, series: Sequence[tuple[Mapping[str, str], float]], at: datetime) -> list[Labels]:
        """Add a sample to each series, except where the test gave it one; returns the series."""
        added = [(labels_of(labels), value) for labels, value in series]
        for labels, value in added:
            self._append(labels, milliseconds(at), value)
        return [labels for labels, _ in added]

    def end(self, series: Iterable[Labels], at: datetime) -> None:
        """Mark series as ended."""
        for labels in series:
            self._append(labels, milliseconds(at), STALE)

    def _append(self, labels: Labels, ts: int, value: float) -> None:
        if ts not in self._given.get(labels, ()):
            self._memory.append(labels, [ts], [value])

    def select(self, fetches: Sequence[Fetch]) -> list[Columns]:
        """The samples for each fetch; see `SeriesSource`."""
        return self._memory.select([replace(one, end=min(one.end, self._until)) for one in fetches])
