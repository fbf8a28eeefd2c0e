"""What one evaluation of an alerting rule says of each of its alerts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from watchfleet.model import AlertState
from watchfleet.rules.evidence import Evidence
from watchfleet.rules.model import Missing
from watchfleet.rules.plan import Alert, Identity, Observation, identity
from watchfleet.rules.state import Condition

NO_DATA: Final = "DatasourceNoData"
"""The name of the alert that a rule has no data any more; Grafana's."""
ERROR: Final = "DatasourceError"
"""The name of the alert that a rule's query fails; Grafana's."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a rule makes of missing data and of failures.

    Attributes:
        name: The rule's name.
        labels: The labels that it sets, as far as they need no series.
        no_data: What no data at all means.
        on_error: What a failed query means.
    """

    name: str
    labels: Mapping[str, str]
    no_data: Missing = Missing.ALERT
    on_error: Missing = Missing.ALERT


@dataclass(frozen=True, slots=True)
class Failure:
    """The query failed, or its result cannot be alerts.

    Attributes:
        text: How.
        keeps: Whether alerts stay as they are, whatever the rule's policy is.
    """

    text: str
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Beyond:
    """What an expression gives with a rule's second thresholds, where it has them.

    Attributes:
        held: With the resolve threshold: what keeps alerts that fire.
        near: With the pending threshold: what is pending at least.
    """

    held: Mapping[Identity, Observation]
    near: Mapping[Identity, Observation]


def judge(
    policy: Policy,
    known: Mapping[Identity, Alert],
    true: Sequence[Observation],
    beyond: Beyond,
    evidence: Evidence,
    *,
    had_data: bool,
) -> list[Observation]:
    """What a query that succeeded says of each alert that is active or true.

    Args:
        policy: The rule's.
        known: Its alerts.
        true: What the expression gives.
        beyond: What it gives with its second thresholds.
        evidence: What the series say beside the result.
        had_data: Whether the rule ever had data; what never had any misses none.
    """
    given = {identity(one.labels) for one in true}
    missing = {key: alert for key, alert in known.items() if key not in given}
    if not true and had_data and not evidence.has_data:
        told = _without(policy, policy.no_data, NO_DATA, "The rule's query finds no data any more.", known)
        return [*told, *_over(known, ERROR)]
    held = {key: beyond.held[key] for key, alert in missing.items() if key in beyond.held and _fires(alert)}
    near = {key: one for key, one in beyond.near.items() if key not in given and key not in held}
    rest = (alert for key, alert in missing.items() if key not in held and key not in near)
    return [*true, *held.values(), *near.values(), *_others(rest, evidence)]


def failed(policy: Policy, known: Mapping[Identity, Alert], failure: Failure) -> list[Observation]:
    """What a query that failed says of each alert."""
    meaning = Missing.KEEP if failure.keeps and policy.on_error is not Missing.ALERT else policy.on_error
    return _without(policy, meaning, ERROR, f"The rule's query fails: {failure.text}", known)


def silenced(known: Mapping[Identity, Alert], condition: Condition) -> list[Observation]:
    """What it says of each alert that its rule is gone or switched off."""
    return [Observation(alert.labels, condition) for alert in known.values()]


def is_own(labels: Mapping[str, str]) -> bool:
    """Whether an alert tells that its rule has no data or fails."""
    return labels.get("alertname") in {NO_DATA, ERROR} and "rulename" in labels


def _over(known: Mapping[Identity, Alert], name: str) -> list[Observation]:
    """That the alert of this name is over, if there is one."""
    return [
        Observation(alert.labels, Condition.FALSE)
        for alert in known.values()
        if is_own(alert.labels) and alert.name == name
    ]


def _fires(alert: Alert) -> bool:
    return alert.standing.state is AlertState.FIRING


def _others(missing: Iterable[Alert], evidence: Evidence) -> Iterator[Observation]:
    for alert in missing:
        if is_own(alert.labels):
            yield Observation(alert.labels, Condition.FALSE)
        elif alert.standing.state in {AlertState.PENDING, AlertState.FIRING}:
            yield Observation(alert.labels, evidence.condition(alert.labels))


def _without(
    policy: Policy, meaning: Missing, name: str, text: str, known: Mapping[Identity, Alert]
) -> list[Observation]:
    """What becomes of a rule's alerts when there is nothing to go by."""
    own = {"alertname": name, "rulename": policy.name}
    active = [
        alert
        for alert in known.values()
        if alert.standing.state in {AlertState.PENDING, AlertState.FIRING} and not is_own(alert.labels)
    ]
    match meaning:
        case Missing.OK:
            return [Observation(alert.labels, Condition.FALSE) for alert in active]
        case Missing.ALERTING:
            return [_held(alert) for alert in active] or [_true(policy, {"alertname": policy.name}, text)]
        case Missing.ALERT:
            return [_true(policy, own, text)]
        case Missing.KEEP:
            return []


def _held(alert: Alert) -> Observation:
    return Observation(alert.labels, Condition.TRUE, alert.value, alert.annotations)


def _true(policy: Policy, own: Mapping[str, str], text: str) -> Observation:
    labels = {**policy.labels, **own}
    return Observation(labels, Condition.TRUE, None, {"summary": f"{policy.name}: {text}"})
