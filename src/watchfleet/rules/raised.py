"""Alerts that applications raise by `watchfleet.alert`: true until they are taken back or have lasted."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from watchfleet.db.tables import raised_alert
from watchfleet.rules.rule import Observation
from watchfleet.rules.state import Condition, Timing


class Raised:
    """Each is its own alert, by its own name; the rule's is only what they are kept under."""

    name = "Raised"
    timing = Timing()
    unobserved = Condition.FALSE

    def observe(self, connection: Connection, now: datetime) -> Sequence[Observation]:
        """True for each that was raised and is not over."""
        rows = connection.execute(select(raised_alert))
        return [
            Observation(
                row.labels,
                Condition.TRUE if row.until > now else Condition.FALSE,
                annotations=row.annotations,
            )
            for row in rows
        ]
