"""Notifications about nothing, for previews and tests of receivers."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import uuid4

from watchfleet.model import AlertFacts, Destination, Message
from watchfleet.notify.identity import delivery_id, fingerprint
from watchfleet.notify.message import message_of


def sample(
    destination: Destination,
    now: datetime,
    *,
    status: Literal["firing", "resolved"] = "firing",
    severity: str = "warning",
    count: int = 1,
) -> Message:
    """A notification that says of itself that it is a test.

    Args:
        destination: Who would be told.
        now: The present.
        status: Whether it fires or is over.
        severity: Its severity.
        count: How many alerts it tells of.
    """
    alerts = [_alert(number, now, status, severity) for number in range(count)]
    message = message_of(
        alerts,
        receiver=destination.receiver,
        group_key='{}:{alertname="WatchfleetTest"}',
        group_labels={"alertname": "WatchfleetTest"},
        reason="test",
    )
    identity = delivery_id(f"test {uuid4()}", destination)
    return replace(message, delivery_id=identity, part=destination.part)


def _alert(number: int, now: datetime, status: Literal["firing", "resolved"], severity: str) -> AlertFacts:
    labels = {"alertname": "WatchfleetTest", "severity": severity, "instance": f"example-{number + 1}"}
    annotations = {
        "summary": "This is a test of a watchfleet receiver",
        "description": "Nothing is wrong. Somebody ran `watchfleet channels test` or `preview`.",
    }
    ended = now if status == "resolved" else None
    return AlertFacts(labels, annotations, status, now - timedelta(minutes=5), ended, fingerprint(labels))
