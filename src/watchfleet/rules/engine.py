"""Evaluates one rule at one instant: the alerts that it is true for, or the series that it records.

Prometheus's semantics (`rules/alerting.go`, `rules/recording.go`): an alert's identity is the labels of its
series without the metric's name, over them the rule's labels, expanded, and `alertname`; two alerts with one
identity fail the whole evaluation.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from watchfleet.errors import WatchfleetError
from watchfleet.promql import Expression, Scalar, SeriesSource, Vector, instant
from watchfleet.promql.labels import NAME
from watchfleet.promql.limits import DEFAULT_LIMITS, DEFAULT_OPTIONS, Limits, Options
from watchfleet.rules.expanded import Expanded
from watchfleet.rules.model import Rule
from watchfleet.rules.template import Data, Query, Texts, expand

ALERT_NAME: Final = "alertname"

Series = Sequence[tuple[Mapping[str, str], float]]
"""Series with their values, `__name__` among the labels of those that have one."""


_Expand = Callable[[str, Texts, float], str]


class EvaluationError(WatchfleetError):
    """A rule's result cannot be used."""


class Instance(NamedTuple):
    """One alert that a rule is true for.

    Attributes:
        labels: Its identity, `alertname` among them.
        annotations: Texts for people; each is expanded when it is first asked for.
        value: What the expression gave.
    """

    labels: dict[str, str]
    annotations: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a rule's evaluation takes from around it.

    Attributes:
        external_labels: `$externalLabels`, the fleet's own labels.
        external_url: `$externalURL`, where people reach the fleet.
        params: `$params`: the values that the rule's parameters have.
        limits: What a query may cost.
        options: How queries are evaluated.
    """

    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS
    options: Options = DEFAULT_OPTIONS


NOWHERE: Final = Surroundings()
"""No labels, no address, the usual limits."""


def instances(
    rule: Rule,
    source: SeriesSource,
    at: datetime | float,
    expression: Expression | None = None,
    surroundings: Surroundings = NOWHERE,
) -> list[Instance]:
    """The alerts that an alerting rule is true for.

    Args:
        rule: The rule.
        source: Where samples come from.
        at: When: an aware datetime or Unix seconds.
        expression: What to evaluate in place of the rule's own, such as its resolve threshold's.
        surroundings: What it takes from around it.

    Raises:
        QueryError: The expression cannot be evaluated.
        EvaluationError: Two alerts have the same labels.
    """
    found = evaluate(expression or rule.expr, source, at, surroundings)
    return instances_of(rule, found, source, at, surroundings)


def instances_of(
    rule: Rule,
    found: Series,
    source: SeriesSource,
    at: datetime | float,
    surroundings: Surroundings = NOWHERE,
) -> list[Instance]:
    """The alerts that an alerting rule is true for, from what its expression gave.

    Args:
        rule: The rule.
        found: The expression's series.
        source: Where the queries of templates find their samples.
        at: The time of the evaluation.
        surroundings: What it takes from around it.

    Raises:
        EvaluationError: Two alerts have the same labels.
    """
    query = _query(source, at, surroundings)
    now = at.timestamp() if isinstance(at, datetime) else float(at)
    fixed = Texts(surroundings.external_labels), surroundings.external_url, Texts(surroundings.params)

    def expanded(text: str, labels: Texts, value: float) -> str:
        return expand(text, rule.name, Data(labels, value, *fixed), query, now)

    given = [_instance(rule, Texts(labels), value, expanded) for labels, value in found]
    _check_distinct((one.labels for one in given), "alert")
    return given


def recorded(
    rule: Rule, source: SeriesSource, at: datetime | float, surroundings: Surroundings = NOWHERE
) -> list[tuple[dict[str, str], float]]:
    """The series that a recording rule gives, with `__name__` among their labels.

    Raises:
        QueryError: The expression cannot be evaluated.
        EvaluationError: Two series have the same labels.
    """
    return recorded_of(rule, evaluate(rule.expr, source, at, surroundings))


def recorded_of(rule: Rule, found: Series) -> list[tuple[dict[str, str], float]]:
    """The series that a recording rule gives, from what its expression gave.

    Raises:
        EvaluationError: Two series have the same labels.
    """
    given = [(_without_empty({**labels, **rule.labels, NAME: rule.name}), value) for labels, value in found]
    _check_distinct((labels for labels, _ in given), "rule")
    return given


def evaluate(
    expression: Expression | str,
    source: SeriesSource,
    at: datetime | float,
    surroundings: Surroundings = NOWHERE,
) -> Series:
    """What an expression gives as a vector; a number comes as one series without labels.

    Raises:
        QueryError: It cannot be evaluated.
        EvaluationError: It gives a range vector or a text.
    """
    value = instant(source, expression, at, limits=surroundings.limits, options=surroundings.options)
    match value:
        case Vector():
            return list(zip(map(dict, value.labels), value.values.tolist(), strict=True))
        case Scalar():
            return [({}, value.value)]
    raise EvaluationError("rule result is not a vector or scalar")


def _query(source: SeriesSource, at: datetime | float, surroundings: Surroundings) -> Query:
    return lambda expression: evaluate(expression, source, at, surroundings)


def _instance(rule: Rule, labels: Texts, value: float, expanded: _Expand) -> Instance:
    def text_of(template: str) -> str:
        return expanded(template, labels, value) if "{{" in template else template

    own = {name: text for name, text in labels.items() if name != NAME}
    written = {name: text_of(template) for name, template in rule.labels.items()}
    annotations = Expanded(rule.annotations, text_of)
    return Instance(_without_empty({**own, **written, ALERT_NAME: rule.name}), annotations, value)


def _without_empty(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if value}


def _check_distinct(all_labels: Iterable[Mapping[str, str]], kind: str) -> None:
    seen: set[frozenset[tuple[str, str]]] = set()
    for labels in all_labels:
        key = frozenset(labels.items())
        if key in seen:
            cause = f"vector contains metrics with the same labelset after applying {kind} labels"
            raise EvaluationError(cause)
        seen.add(key)
