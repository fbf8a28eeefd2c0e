"""Rules ready to be evaluated: with their parameters, and with what operators changed of them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from watchfleet.clock import parse_duration
from watchfleet.promql import Expression
from watchfleet.promql.labels import format_labels, labels_of
from watchfleet.rules.model import DEFAULT_INTERVAL, Group, Missing, Rule, RuleKind
from watchfleet.rules.parameters import ParameterError, bind
from watchfleet.rules.presence import without_filters
from watchfleet.rules.state import Timing
from watchfleet.rules.thresholds import ThresholdError, with_threshold
from watchfleet.rules.verdict import Policy

MISSED_EVALUATIONS: Final = 2
"""For how many evaluations the state of an alert is kept whose series are missing; as in Grafana."""
TIMES: Final = {"for": "hold", "keep_firing_for": "keep_firing"}
"""What beside parameters may be set, and the field of a rule that it is."""


@dataclass(frozen=True, slots=True)
class Override:
    """What an operator changed of a rule.

    Attributes:
        enabled: Whether it is on; None leaves that to its file.
        settings: Its parameters and its times, by name.
    """

    enabled: bool | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRule:
    """One rule.

    Attributes:
        original: As its file has it.
        rule: The same with the values that its parameters and times have now.
        key: Names it for ever, also when its expression changes.
        enabled: Whether it is on.
        values: The value of each of its parameters.
        problem: A value that does not fit and was left out; empty if all do.
        open: Its expression without filters.
        relaxed: Its expression with the resolve threshold, if it has one.
        approach: Its expression with the pending threshold, if it has one.
        timing: Its times.
        policy: What it makes of missing data and failures.
    """

    original: Rule
    rule: Rule
    key: str
    enabled: bool
    values: Mapping[str, str]
    problem: str
    open: Expression
    relaxed: Expression | None
    approach: Expression | None
    timing: Timing
    policy: Policy

    @property
    def alerts(self) -> bool:
        """Whether it is an alerting rule."""
        return self.rule.kind is RuleKind.ALERT


@dataclass(frozen=True, slots=True, eq=False)
class PreparedGroup:
    """One group.

    Attributes:
        group: As its file has it.
        key: Names it among the groups of all files.
        rules: Its rules, in their order.
    """

    group: Group
    key: str
    rules: tuple[PreparedRule, ...]

    @property
    def interval(self) -> timedelta:
        """From one evaluation to the next."""
        return self.group.interval or DEFAULT_INTERVAL

    @property
    def offset(self) -> timedelta:
        """How far back its queries look."""
        return self.group.query_offset or timedelta(0)

    @property
    def on_data(self) -> bool:
        """Whether new samples have any of its rules evaluated at once."""
        return any(each.enabled and each.rule.options.on_data for each in self.rules)


def group_key(file: str, name: str) -> str:
    """What a group is known by."""
    return f"{file};{name}"


def prepare(
    group: Group,
    file: str,
    overrides: Mapping[str, Override],
    environment: Mapping[str, str] = os.environ,
) -> PreparedGroup:
    """Make a group ready.

    Args:
        group: The group.
        file: What its file is called, in its key.
        overrides: What operators changed, by the rule's name or by `group/name`, which wins.
        environment: The variables that parameters may take their values from.
    """
    key = group_key(file, group.name)
    keys: dict[str, int] = {}
    rules = []
    for rule in group.rules:
        own = rule_key(key, rule)
        keys[own] = keys.get(own, 0) + 1
        unique = own if keys[own] == 1 else f"{own}#{keys[own]}"
        override = overrides.get(f"{group.name}/{rule.name}") or overrides.get(rule.name) or Override()
        rules.append(prepare_rule(rule, unique, group.interval or DEFAULT_INTERVAL, override, environment))
    return PreparedGroup(group, key, tuple(rules))


def rule_key(group: str, rule: Rule) -> str:
    """What a rule is known by: its group, name and labels, as Prometheus carries state over a reload."""
    return f"{group};{rule.name}{format_labels(labels_of(rule.labels)) if rule.labels else ''}"


def prepare_rule(
    rule: Rule,
    key: str,
    interval: timedelta,
    override: Override = Override(),
    environment: Mapping[str, str] = os.environ,
) -> PreparedRule:
    """Make a rule ready; a value that does not fit is left out, and told."""
    problems: list[str] = []
    values = dict(_values(rule, override, environment))
    bound = _bound(rule, values, problems)
    bound = replace(bound, **_times(override, problems))
    options = rule.options
    relaxed = _with(bound, "resolve_threshold", options.resolve_threshold, problems)
    approach = _with(bound, "pending_threshold", options.pending_threshold, problems)
    enabled = options.enabled if override.enabled is None else override.enabled
    timing = Timing(bound.hold, bound.keep_firing, interval * (MISSED_EVALUATIONS - 1))
    policy = Policy(
        rule.name,
        {name: value for name, value in rule.labels.items() if "{{" not in value},
        options.no_data or Missing.ALERT,
        options.on_error or Missing.ALERT,
    )
    return PreparedRule(
        rule,
        bound,
        key,
        enabled,
        values,
        "; ".join(problems),
        without_filters(bound.expr),
        relaxed,
        approach,
        timing,
        policy,
    )


def problems_of(rule: Rule, settings: Mapping[str, str]) -> list[str]:
    """What is wrong with settings that an operator wants for a rule; empty ones are to be taken back."""
    unknown = [name for name in settings if name not in rule.parameters and name not in TIMES]
    if unknown:
        has = ", ".join([*rule.parameters, *TIMES])
        return [f"{rule.name} has no parameter {', '.join(unknown)}; it has {has}"]
    given = {name: value for name, value in settings.items() if value}
    prepared = prepare_rule(rule, rule.name, DEFAULT_INTERVAL, Override(None, given), {})
    return [prepared.problem] if prepared.problem else []


def _values(rule: Rule, override: Override, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each parameter's value: an operator's, else the environment's, else the file's."""
    for name, parameter in rule.parameters.items():
        option = rule.options.params.get(name)
        of_file = parameter.value if option is None or option.value is None else option.value
        of_environment = environment.get(option.env) if option is not None and option.env else None
        yield name, override.settings.get(name) or of_environment or of_file


def _bound(rule: Rule, values: dict[str, str], problems: list[str]) -> Rule:
    changed = {name: value for name, value in values.items() if value != rule.parameters[name].value}
    expression = rule.expr
    for name, value in changed.items():
        try:
            expression = bind(expression, {name: value})
        except ParameterError as error:
            problems.append(str(error))
            values[name] = rule.parameters[name].value
    return replace(rule, expr=expression)


def _times(override: Override, problems: list[str]) -> dict[str, Any]:
    times = {}
    for name, fieldname in TIMES.items():
        if name in override.settings:
            try:
                times[fieldname] = parse_duration(override.settings[name])
            except ValueError as error:
                problems.append(f"{name}: {error}")
    return times


def _with(rule: Rule, option: str, threshold: float | None, problems: list[str]) -> Expression | None:
    if threshold is None:
        return None
    try:
        return with_threshold(rule.expr, threshold)
    except ThresholdError as error:
        problems.append(f"{option}: {error}")
        return None


def shown_file(path: Path, builtin: Path) -> str:
    """What a file is called in keys: those that come with the package by their name alone."""
    return f"builtin/{path.name}" if path.parent == builtin else str(path)
