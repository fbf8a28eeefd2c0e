"""One rule at one instant: what its query gives, and what that says of its alerts."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from watchfleet.errors import WatchfleetError
from watchfleet.promql import Expression, SeriesSource, plan
from watchfleet.redact import redact
from watchfleet.rules.engine import Instance, Surroundings, instances, recorded
from watchfleet.rules.evidence import Evidence
from watchfleet.rules.group_state import RuleState
from watchfleet.rules.plan import Identity, Observation, active_after, by_identity, changes
from watchfleet.rules.prepared import PreparedRule
from watchfleet.rules.reading import LIMITS
from watchfleet.rules.state import Condition
from watchfleet.rules.store import Known
from watchfleet.rules.verdict import Beyond, Failure, failed, judge


@dataclass(frozen=True, slots=True)
class Moment:
    """What every rule of a group is evaluated with.

    Attributes:
        source: Where the samples are.
        at: The time that is queried, in Unix seconds.
        now: The time of the evaluation, which the query's may lie behind.
        kinds: Gives the kind of each metric, by its name.
    """

    source: SeriesSource
    at: float
    now: datetime
    kinds: Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Assessed:
    """What a rule says at one instant.

    Attributes:
        observations: Of its alerts.
        recorded: The series that it records, labels and value each; None if that failed.
        state: How it went.
    """

    observations: Sequence[Observation] = ()
    recorded: Sequence[tuple[Mapping[str, str], float]] | None = None
    state: RuleState = field(default_factory=RuleState)


class LimitExceededError(WatchfleetError):
    """A rule gives more than its group's `limit`."""


def assess(rule: PreparedRule, moment: Moment, known: Known, before: RuleState, limit: int) -> Assessed:
    """Evaluate a rule; whatever goes wrong is a part of the result.

    Args:
        rule: The rule.
        moment: When, and with what.
        known: Its active alerts.
        before: How its last evaluation went.
        limit: How many alerts or series it may give; 0 is any number.
    """
    began = time.perf_counter()
    try:
        found = _alerts(rule, moment, known, before, limit) if rule.alerts else _records(rule, moment, limit)
    except Exception as error:  # noqa: BLE001 - a rule that fails must not take the others with it
        text = redact(f"{error}" or type(error).__name__)
        failure = Failure(text, keeps=isinstance(error, LimitExceededError))
        observations = failed(rule.policy, known, failure) if rule.alerts else ()
        found = Assessed(observations, None, RuleState(error=text, data_at=before.data_at))
    state = found.state
    series = 0 if state.error else _series(rule, moment)
    state = RuleState(time.perf_counter() - began, state.error or rule.problem, series, state.data_at)
    return replace(found, state=state)


def _alerts(rule: PreparedRule, moment: Moment, known: Known, before: RuleState, limit: int) -> Assessed:
    around = Surroundings(params=rule.values, limits=LIMITS)
    true = [_observed(one) for one in instances(rule.rule, moment.source, moment.at, None, around)]
    evidence = Evidence(rule.open, rule.rule.labels, moment.source, moment.at, moment.kinds)
    beyond = Beyond(
        _with(rule, rule.relaxed if known else None, Condition.TRUE, moment, around),
        _with(rule, rule.approach, Condition.NEAR, moment, around),
    )
    observations = judge(rule.policy, known, true, beyond, evidence, had_data=before.data_at is not None)
    active = active_after(known, list(changes(rule.timing, known, by_identity(observations), moment.now)))
    if 0 < limit < active:
        raise LimitExceededError(f"exceeded limit of {limit} with {active} alerts")
    has_data = bool(true or beyond.near) or evidence.has_data
    return Assessed(observations, None, RuleState(data_at=moment.at if has_data else before.data_at))


def _with(
    rule: PreparedRule,
    expression: Expression | None,
    condition: Condition,
    moment: Moment,
    around: Surroundings,
) -> dict[Identity, Observation]:
    """What the rule's expression gives with another threshold, if the rule has it."""
    if expression is None:
        return {}
    found = instances(rule.rule, moment.source, moment.at, expression, around)
    return by_identity([_observed(one, condition) for one in found])


def _records(rule: PreparedRule, moment: Moment, limit: int) -> Assessed:
    found = recorded(rule.rule, moment.source, moment.at)
    if 0 < limit < len(found):
        raise LimitExceededError(f"exceeded limit of {limit} with {len(found)} series")
    return Assessed((), found, RuleState(data_at=moment.at if found else None))


def _observed(one: Instance, condition: Condition = Condition.TRUE) -> Observation:
    return Observation(one.labels, condition, one.value, one.annotations)


def _series(rule: PreparedRule, moment: Moment) -> int:
    """How many series its selectors match."""
    columns = moment.source.select(plan(rule.rule.expr, moment.at, moment.at))
    return sum(len(each.series) for each in columns)
