"""Hand transitions to notify: firing, and the end of what was told as firing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from watchfleet.model import AlertFacts, AlertState
from watchfleet.notify import pipeline
from watchfleet.notify.incoming import Alert, of_rule
from watchfleet.notify.policy import Policy
from watchfleet.rules.state import Reason
from watchfleet.rules.store import Saved

_UNKNOWN: Final = {
    Reason.NOT_WATCHED: "The configuration does not name it any more; whether it is well is not known.",
    Reason.DISABLED: "The rule was switched off; whether it is well is not known.",
    Reason.MISSING_SERIES: "It sends no data any more; whether it is well is not known.",
}
"""What ends an alert without its condition being false."""


@dataclass(frozen=True, slots=True)
class Told:
    """A transition, and how its rule wants it to be told.

    Attributes:
        saved: The transition.
        channels: The rule's own channels; None leaves it to the routes.
        dedup_window: The rule's own; likewise.
    """

    saved: Saved
    channels: Sequence[str] | None = None
    dedup_window: timedelta | None = None


def tell(
    connection: Connection, policy: Policy, transitions: Sequence[Told], now: datetime
) -> tuple[str, ...]:
    """Hand over each transition that people hear of; returns the channels to wake.

    Args:
        connection: The transaction that wrote the transitions.
        policy: Who is told of what.
        transitions: What happened, in its order.
        now: The time of the evaluation.
    """
    news = [alert for told in transitions for alert in _news(told)]
    return pipeline.submit(connection, policy, news, now) if news else ()


def _news(told: Told) -> Iterator[Alert]:
    """That an alert fires, or does not any more."""
    change = told.saved.decided.change
    alert, fired_at = change.alert, change.alert.standing.fired_at
    if fired_at is None or change.after not in {AlertState.FIRING, AlertState.RESOLVED}:
        return
    annotations = dict(alert.annotations)
    if change.after is AlertState.RESOLVED and change.reason in _UNKNOWN:
        annotations["description"] = _UNKNOWN[change.reason]
    facts = AlertFacts(
        labels=dict(alert.labels),
        annotations=annotations,
        status="firing" if change.after is AlertState.FIRING else "resolved",
        starts_at=fired_at,
        ends_at=alert.standing.resolved_at,
        fingerprint=change.fingerprint,
    )
    yield of_rule(facts, change.at, told.channels, told.dedup_window)
