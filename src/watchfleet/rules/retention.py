"""How long the history of alerts and of changed rules is kept."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

MOST: Final = 50_000
"""Rows of a table that one run deletes; the next one goes on."""
# What an alert came to last stays as long as the alert does, and so does what a notification still tells of.
_EVENTS: Final = text(
    "DELETE FROM alert_event WHERE id IN ("
    " SELECT old.id FROM alert_event AS old WHERE old.at < :before"
    " AND EXISTS (SELECT FROM alert_event AS newer WHERE newer.alert_id = old.alert_id AND newer.id > old.id)"
    " AND NOT EXISTS (SELECT FROM outbox WHERE outbox.event_id = old.id"
    " AND outbox.state IN ('pending', 'sending', 'retry'))"
    " ORDER BY old.id LIMIT :most)"
)
_AUDIT: Final = text(
    "DELETE FROM rule_audit WHERE id IN"
    " (SELECT id FROM rule_audit WHERE at < :before ORDER BY id LIMIT :most)"
)


class Pruned(NamedTuple):
    """How many rows were deleted."""

    alert_events: int
    audit: int


def prune(connection: Connection, now: datetime, *, alert_events: timedelta, audit: timedelta) -> Pruned:
    """Delete what is older than its retention.

    Args:
        connection: A transaction.
        now: The present.
        alert_events: How long changes of alerts' states are kept. An alert's last one is kept for ever, and
            one that an unfinished notification tells of until it is finished.
        audit: How long changes of rules are kept.
    """
    return Pruned(
        connection.execute(_EVENTS, {"before": now - alert_events, "most": MOST}).rowcount,
        connection.execute(_AUDIT, {"before": now - audit, "most": MOST}).rowcount,
    )
