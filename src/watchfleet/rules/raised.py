"""Alerts that applications raise by `watchfleet.alert`: true until they are taken back or have lasted."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from watchfleet.db.tables import raised_alert
from watchfleet.notify.identity import fingerprint
from watchfleet.notify.policy import Policy
from watchfleet.rules import store
from watchfleet.rules.group import AT_ONCE, Evaluation
from watchfleet.rules.plan import Observation, by_identity, changes
from watchfleet.rules.state import Condition
from watchfleet.rules.store import Decided
from watchfleet.rules.telling import Told, tell

RAISED: Final = "raised"
"""What these alerts are kept under, in place of a group and a rule."""


def evaluate_raised(connection: Connection, policy: Policy, now: datetime) -> Evaluation:
    """Bring the alerts that applications raised up to date.

    Args:
        connection: A transaction that holds the lock of `RAISED`.
        policy: Who is told of what.
        now: The time of the evaluation.
    """
    observed = _observed(connection, now)
    known = store.active(connection, [RAISED]).get(RAISED, {}).get(RAISED, {})
    over = {key: Observation(alert.labels, Condition.FALSE) for key, alert in known.items()}
    new = [fingerprint(one.labels) for key, one in observed.items() if key not in known]
    resting = store.known(connection, {RAISED: new}).get(RAISED, {}) if new else {}
    made = changes(AT_ONCE, {**resting, **known}, {**over, **observed}, now)
    saved = store.save(connection, [Decided(RAISED, RAISED, change) for change in made])
    wake = tell(connection, policy, [Told(one) for one in saved], now)
    return Evaluation(tuple(one.decided.change for one in saved), wake)


def _observed(connection: Connection, now: datetime) -> dict[frozenset[tuple[str, str]], Observation]:
    rows = connection.execute(select(raised_alert).where(raised_alert.c.until > now))
    return by_identity([Observation(row.labels, Condition.TRUE, annotations=row.annotations) for row in rows])
