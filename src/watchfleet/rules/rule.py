"""What a rule is: something that says of each alert of its name whether its condition is true."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from watchfleet.rules.state import Condition, Timing


@dataclass(frozen=True, slots=True)
class Observation:
    """What a rule says of one alert at one evaluation.

    Attributes:
        labels: The alert's identity, `alertname` and `severity` among them.
        condition: Whether it is true.
        value: The number behind that, if there is one.
        checks: How many true observations in a row there are, for rules that count them.
        annotations: Texts for people: summary, description.
    """

    labels: Mapping[str, str]
    condition: Condition
    value: float | None = None
    checks: int = 1
    annotations: Mapping[str, str] = field(default_factory=dict)


class Rule(Protocol):
    """One alert rule.

    Attributes:
        name: The alert's name.
        timing: How long its condition must hold.
        unobserved: What it means for a pending or firing alert that `observe` says nothing of it.
    """

    name: str
    timing: Timing
    unobserved: Condition

    def observe(self, connection: Connection, now: datetime) -> Sequence[Observation]:
        """Say of each alert whether its condition is true at `now`; whatever it raises keeps all states."""
