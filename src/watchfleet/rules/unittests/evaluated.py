"""One rule of a running test."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from watchfleet.promql.labels import Labels
from watchfleet.rules.engine import NOWHERE, EvaluationError, Series, Surroundings, instances_of, recorded_of
from watchfleet.rules.model import Group, Rule, RuleKind
from watchfleet.rules.parameters import bind
from watchfleet.rules.thresholds import with_threshold
from watchfleet.rules.unittests.alerts import RuleAlerts
from watchfleet.rules.unittests.storage import TestStorage
from watchfleet.rules.unittests.timeline import Timeline, Times, looks_ahead, may_read

_OF_ALERTS = ("ALERTS", "ALERTS_FOR_STATE")


class EvaluatedRule:
    """A rule whose state goes from one evaluation to the next.

    Attributes:
        rule: The rule, its parameters bound.
        alerts: Its alerts; None of a recording rule.
        expressions: Its expression, and those with its resolve and its pending threshold if it has them.
        writes: The names of the metrics that it writes.

    Args:
        rule: The rule.
        group: Its group.
    """

    def __init__(self, rule: Rule, group: Group) -> None:
        given = {name: one.value for name, one in rule.options.params.items() if one.value is not None}
        self.rule = replace(rule, expr=bind(rule.expr, given))
        self._values = {name: given.get(name, one.value) for name, one in rule.parameters.items()}
        options = rule.options
        self._true = Timeline(self.rule.expr)
        self._held = self._with(options.resolve_threshold)
        self._near = self._with(options.pending_threshold)
        self._timelines = [one for one in (self._true, self._held, self._near) if one is not None]
        self.expressions = [timeline.expression for timeline in self._timelines]
        is_alert = rule.kind is RuleKind.ALERT
        self.alerts = RuleAlerts(self.rule, group.limit) if is_alert else None
        self.writes = _OF_ALERTS if is_alert else (rule.name,)
        self._limit, self._offset = group.limit, group.query_offset or timedelta(0)
        self._last: Mapping[Labels, None] = {}
        self._is_read, self._around = True, NOWHERE

    def prepare(
        self, storage: TestStorage, times: Times, around: Surroundings, read: Collection[str]
    ) -> None:
        """Evaluate it for all times, if it depends on nothing that rules write.

        Args:
            storage: The test's series.
            times: When it will be evaluated.
            around: What it takes from around it.
            read: The metrics among those that rules write that anything reads.
        """
        self._is_read = any(name in read for name in self.writes)
        self._around = replace(around, params=self._values)
        shifted = replace(times, start=times.start - self._offset)
        for timeline in self._timelines:
            root = timeline.expression.root
            if not looks_ahead(root) and not may_read(root, read):
                timeline.prepare(storage, shifted, around)

    def evaluate(self, storage: TestStorage, now: datetime) -> None:
        """Evaluate it, and write back what it gives.

        Raises:
            WatchfleetError: It fails.
        """
        at = now - self._offset
        around = self._around
        found, held, near = (
            () if timeline is None else timeline.at(storage, at, around)
            for timeline in (self._true, self._held, self._near)
        )
        if not found and not held and not near and not self._goes_on:
            return
        if self.alerts is not None:
            alerts, enough, close = (
                instances_of(self.rule, series, storage, at, around) for series in (found, held, near)
            )
            self.alerts.observe(alerts, enough, close, now)
            self._write(storage, self.alerts.series() if self._is_read else (), at)
        else:
            self._record(storage, found, at)

    def _with(self, threshold: float | None) -> Timeline | None:
        return None if threshold is None else Timeline(with_threshold(self.rule.expr, threshold))

    @property
    def _goes_on(self) -> bool:
        """Whether there is something that an evaluation without a result would end."""
        return bool(self._last) or (self.alerts is not None and self.alerts.any_active)

    def _record(self, storage: TestStorage, found: Series, at: datetime) -> None:
        given = recorded_of(self.rule, found)
        if 0 < self._limit < len(given):
            raise EvaluationError(f"exceeded limit of {self._limit} with {len(given)} series")
        self._write(storage, given if self._is_read else (), at)

    def _write(self, storage: TestStorage, found: Series, at: datetime) -> None:
        there = dict.fromkeys(storage.add(found, at))
        storage.end((labels for labels in self._last if labels not in there), at)
        self._last = there
