"""What a file of rule tests says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from watchfleet.promql.labels import Labels
from watchfleet.rules.model import Position


@dataclass(frozen=True, slots=True)
class InputSeries:
    """A series that a test begins with.

    Attributes:
        labels: Its labels, `__name__` among them.
        values: Its values, one an interval from the test's start; None where there is no sample.
    """

    labels: Labels
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """An alert that should fire.

    Attributes:
        labels: All its labels but `alertname`.
        annotations: All its annotations, expanded.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AlertCase:
    """What should fire of one alert at one time.

    Attributes:
        at: Where the case stands.
        time: From the test's start.
        alert: The alert's name.
        expected: Everything that should fire under this name.
    """

    at: Position
    time: timedelta
    alert: str
    expected: tuple[ExpectedAlert, ...]


@dataclass(frozen=True, slots=True)
class ExpressionCase:
    """What an expression should come to at one time.

    Attributes:
        at: Where the case stands.
        time: From the test's start.
        expression: PromQL.
        expected: The series and their values.
    """

    at: Position
    time: timedelta
    expression: str
    expected: tuple[tuple[Labels, float], ...]


@dataclass(frozen=True, slots=True)
class TestGroup:
    """Series, and what should be true of them.

    Attributes:
        name: What it is called; may be empty.
        at: Where it stands.
        start: The time of the first samples and of the first evaluation.
        interval: From one value of the series to the next.
        series: The series.
        alerts: What should fire.
        expressions: What expressions should come to.
        external_labels: `$externalLabels`.
        external_url: `$externalURL`.
    """

    __test__ = False  # it is not one of pytest's

    name: str
    at: Position
    start: datetime
    interval: timedelta
    series: tuple[InputSeries, ...] = ()
    alerts: tuple[AlertCase, ...] = ()
    expressions: tuple[ExpressionCase, ...] = ()
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""


@dataclass(frozen=True, slots=True)
class TestFile:
    """A file of rule tests.

    Attributes:
        path: The file.
        rule_files: The rule files that it names.
        interval: From one evaluation of the rules to the next.
        order: The names of groups, in the order in which they are evaluated.
        fuzzy: Whether values may differ in the last bit.
        groups: The tests.
        unmatched: Names of rule files that no file has.
    """

    __test__ = False  # likewise

    path: Path
    rule_files: tuple[Path, ...]
    interval: timedelta
    order: tuple[str, ...] = ()
    fuzzy: bool = False
    groups: tuple[TestGroup, ...] = ()
    unmatched: tuple[str, ...] = ()
