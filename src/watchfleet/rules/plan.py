"""What an evaluation changes: a pure step from what is known and what is observed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from watchfleet.model import AlertState
from watchfleet.notify.identity import fingerprint
from watchfleet.rules.state import BEGINNING, NEVER, Condition, Reason, Standing, Timing, transition

Identity = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a rule says of one alert at one evaluation.

    Attributes:
        labels: The alert's identity, `alertname` among them.
        condition: Whether it is true.
        value: The number behind that, if there is one.
        annotations: Texts for people: summary, description.
    """

    labels: Mapping[str, str]
    condition: Condition
    value: float | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a rule.

    Attributes:
        labels: Its identity.
        annotations: Its texts, as of when it was true last.
        standing: Where it stands.
        value: The number behind that, if there is one.
        evaluated_at: When it changed last; None when it never did.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    standing: Standing = NEVER
    value: float | None = None
    evaluated_at: datetime | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.labels.get("alertname", "")


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
        """The state that it is in now; the same as before when only a clock, its value or a text changed."""
        return self.alert.standing.state

    @property
    def is_transition(self) -> bool:
        """Whether the state is another one than before."""
        return self.after is not self.before


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
    timing: Timing, known: Mapping[Identity, Alert], observed: Mapping[Identity, Observation], now: datetime
) -> Iterator[Change]:
    """The alerts that an evaluation brings to stand elsewhere, or whose value or texts it renews.

    Args:
        timing: The rule's times.
        known: Those of its alerts that are active or observed to be true or near, and maybe others. One
            that the rule says nothing of stays as it is.
        observed: What it says now.
        now: The time of the evaluation. An alert's own time never runs backwards.
    """
    for key, observation in observed.items():
        alert = known.get(key)
        if alert is not None:
            yield from _change(timing, alert, observation, now)
        elif observation.condition in BEGINNING:
            yield from _change(timing, Alert(observation.labels, {}), observation, now)


def active_after(known: Mapping[Identity, Alert], changed: Sequence[Change]) -> int:
    """How many alerts of a rule are pending or firing once these changes are made."""
    active = {
        identity(alert.labels)
        for alert in known.values()
        if alert.standing.state in {AlertState.PENDING, AlertState.FIRING}
    }
    for change in changed:
        if change.after in {AlertState.PENDING, AlertState.FIRING}:
            active.add(identity(change.alert.labels))
        else:
            active.discard(identity(change.alert.labels))
    return len(active)


def _change(timing: Timing, alert: Alert, observation: Observation, now: datetime) -> Iterator[Change]:
    at = max(now, alert.evaluated_at or now)
    before = alert.standing
    standing, reason = transition(before, observation.condition, timing, at)
    value, texts = alert.value, alert.annotations
    if observation.condition in BEGINNING:
        value, texts = observation.value, observation.annotations
    if (standing, value, texts) != (before, alert.value, alert.annotations):
        after = Alert(alert.labels, texts, standing, value, at)
        yield Change(fingerprint(alert.labels), before.state, after, reason, at)
