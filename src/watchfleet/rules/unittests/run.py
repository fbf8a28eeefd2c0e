"""Runs rule tests as promtool does: all rules at each evaluation interval, in order, over a test's series."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from watchfleet.clock import format_duration
from watchfleet.errors import WatchfleetError
from watchfleet.promql import Expression, ParseError, parse
from watchfleet.promql.labels import labels_of
from watchfleet.promql.limits import Limits, Options
from watchfleet.rules.engine import Surroundings, evaluate
from watchfleet.rules.model import Group, Position
from watchfleet.rules.unittests.cases import AlertCase, ExpressionCase, TestGroup
from watchfleet.rules.unittests.compare import alerts_differ, samples_differ
from watchfleet.rules.unittests.evaluated import EvaluatedRule
from watchfleet.rules.unittests.storage import TestStorage
from watchfleet.rules.unittests.timeline import Times, may_read

MOST_EVALUATIONS: Final = 100_000
"""Evaluation times of one test: ten weeks of minutes."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a test found wrong.

    Attributes:
        at: Where the case stands, or the test itself.
        heading: What was tested, such as `alertname: Down, time: 5m`.
        expected: What should have been; empty if there was an error.
        got: What was, or the error.
    """

    at: Position
    heading: str
    expected: str
    got: str


def run_group(
    test: TestGroup,
    groups: Sequence[Group],
    interval: timedelta,
    *,
    fuzzy: bool = False,
    left_closed: bool = False,
) -> list[Failure]:
    """Run one test.

    Args:
        test: The test.
        groups: The rules, in the order in which they are evaluated.
        interval: From one evaluation to the next.
        fuzzy: Whether values may differ in the last bit.
        left_closed: Whether ranges include their left edge, as in Prometheus 2.

    Returns:
        What is not as expected; empty if everything is.
    """
    options = Options(subquery_step=interval, left_closed=left_closed)
    return list(_Run(test, groups, options, fuzzy=fuzzy).failures())


class _Run:
    def __init__(self, test: TestGroup, groups: Sequence[Group], options: Options, *, fuzzy: bool) -> None:
        self._test, self._interval, self._fuzzy = test, options.subquery_step, fuzzy
        self._storage = TestStorage(test.series, test.start, test.interval)
        self._around = Surroundings(test.external_labels, test.external_url, {}, Limits(seconds=100), options)
        self._rules = [EvaluatedRule(rule, group) for group in groups for rule in group.rules]

    def failures(self) -> Iterator[Failure]:
        """Everything that is not as expected; an evaluation that fails ends the test."""
        test = self._test
        last = max(
            [timedelta(0), *(case.time for case in test.alerts), *(case.time for case in test.expressions)]
        )
        count = last // self._interval
        if count >= MOST_EVALUATIONS:
            cause = f"the test takes {count} evaluations, more than {MOST_EVALUATIONS}"
            yield Failure(test.at, f"eval_time: {format_duration(last)}", "", cause)
            return
        self._prepare(Times(test.start, self._interval, count + 1))
        for number in range(count + 1):
            since = number * self._interval
            errors = list(self._evaluate(since))
            yield from errors
            if errors:
                return
            for case in test.alerts:
                if since <= case.time < since + self._interval:
                    yield from self._check_alerts(case)
        for expression in test.expressions:
            yield from self._check_expression(expression)

    def _prepare(self, times: Times) -> None:
        """Find out which rules depend on what rules write; evaluate all others for all times at once."""
        written = {name for one in self._rules for name in one.writes}
        asked = [expression for one in self._rules for expression in one.expressions]
        asked += [expression for case in self._test.expressions if (expression := _readable(case.expression))]
        queries = any("query" in text for one in self._rules for text in one.rule.annotations.values())
        read = {name for name in written if queries or any(may_read(each.root, [name]) for each in asked)}
        self._storage.pass_to(times.start + times.count * times.interval)
        for one in self._rules:
            one.prepare(self._storage, times, self._around, read)

    def _evaluate(self, since: timedelta) -> Iterator[Failure]:
        now = self._test.start + since
        self._storage.pass_to(now)
        for one in self._rules:
            try:
                one.evaluate(self._storage, now)
            except WatchfleetError as error:
                heading = f"rule: {one.rule.name}, time: {format_duration(since)}"
                yield Failure(self._test.at, heading, "", str(error))

    def _check_alerts(self, case: AlertCase) -> Iterator[Failure]:
        got = [
            alert
            for one in self._rules
            if one.alerts is not None and one.rule.name == case.alert
            for alert in one.alerts.firing()
        ]
        difference = alerts_differ(case, got)
        if difference:
            heading = f"alertname: {case.alert}, time: {format_duration(case.time)}"
            yield Failure(case.at, heading, *difference)

    def _check_expression(self, case: ExpressionCase) -> Iterator[Failure]:
        heading = f'expr: "{case.expression}", time: {format_duration(case.time)}'
        try:
            found = evaluate(case.expression, self._storage, self._test.start + case.time, self._around)
        except WatchfleetError as error:
            yield Failure(case.at, heading, "", str(error))
            return
        got = [(labels_of(labels), value) for labels, value in found]
        difference = samples_differ(case.expected, got, fuzzy=self._fuzzy)
        if difference:
            yield Failure(case.at, heading, *difference)


def _readable(expression: str) -> Expression | None:
    try:
        return parse(expression)
    except ParseError:
        return None
