"""What an evaluation changes: a pure step from what is known and what is observed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from watchfleet.model import AlertState
from watchfleet.notify.identity import fingerprint
from watchfleet.rules.rule import Observation, Rule
from watchfleet.rules.state import NEVER, Condition, Reason, Standing, transition

Identity = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a rule.

    Attributes:
        labels: Its identity.
        annotations: Its texts, as of its last change.
        standing: Where it stands.
        value: The number behind that, if there is one.
        evaluated_at: When it was last looked at; None when it never was.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    standing: Standing = NEVER
    value: float | None = None
    evaluated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that stands elsewhere than before.

    Attributes:
        fingerprint: Which alert.
        before: The state that it was in.
        alert: The alert as it is now.
        reason: Why.
        at: When.
    """

    fingerprint: str
    before: AlertState
    alert: Alert
    reason: Reason
    at: datetime

    @property
    def after(self) -> AlertState:
        """The state that it is in now; the same as before when only one of its clocks was set."""
        return self.alert.standing.state


def by_identity(observations: Sequence[Observation]) -> dict[Identity, Observation]:
    """The observations by their labels.

    Raises:
        ValueError: Two have the same labels.
    """
    observed = {identity(observation.labels): observation for observation in observations}
    if len(observed) < len(observations):
        raise ValueError("two alerts of one rule have the same labels")
    return observed


def identity(labels: Mapping[str, str]) -> Identity:
    """What alerts of one rule are told apart by; much cheaper than a fingerprint."""
    return frozenset(labels.items())


def changes(
    rule: Rule, known: Mapping[Identity, Alert], observed: Mapping[Identity, Observation], now: datetime
) -> Iterator[Change]:
    """The alerts that an evaluation brings to stand elsewhere.

    Args:
        rule: The rule.
        known: Those of its alerts that are active or observed to be true, and maybe others.
        observed: What it says now.
        now: The time of the evaluation. An alert's own time never runs backwards.
    """
    for key, alert in known.items():
        silent = Observation(alert.labels, rule.unobserved)
        yield from _change(rule, alert, observed.get(key, silent), now)
    for key, observation in observed.items():
        if key not in known and observation.condition is Condition.TRUE:
            yield from _change(rule, Alert(observation.labels, {}), observation, now)


def _change(rule: Rule, alert: Alert, observation: Observation, now: datetime) -> Iterator[Change]:
    at = max(now, alert.evaluated_at or now)
    before = alert.standing
    standing, reason = transition(before, observation.condition, observation.checks, rule.timing, at)
    if standing != before:
        texts = observation.annotations or alert.annotations
        after = Alert(alert.labels, texts, standing, observation.value, at)
        yield Change(fingerprint(alert.labels), before.state, after, reason, at)
