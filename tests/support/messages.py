"""Notifications for tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from watchfleet.model import Message, Severity
from watchfleet.notify.identity import delivery_id, fingerprint

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LABELS = {"alertname": "DependencyDown", "target": "shop", "kind": "http", "severity": "critical"}
HOSTILE = (
    "<!channel> <@U1> <http://evil|click> *bold* `code` & <b onclick=x>html</b>"
    "\r\nBcc: victim@example.com\r\n\r\nbody\x00\x1b[31m\u202egnp\u2028\u0085\x0bend"
)


def firing(channel: str = "webhook", **changes: Any) -> Message:
    name = fingerprint(LABELS)
    message = Message(
        delivery_id=delivery_id(name, "firing", AT, channel),
        status="firing",
        alert="DependencyDown",
        severity=Severity.CRITICAL,
        labels=dict(LABELS),
        annotations={"summary": "shop is down", "description": "2 checks in a row failed (http). timeout"},
        starts_at=AT,
        ends_at=None,
        fingerprint=name,
    )
    return replace(message, **changes)


def resolved(channel: str = "webhook", **changes: Any) -> Message:
    end = AT + timedelta(minutes=5)
    message = firing(channel, status="resolved", ends_at=end)
    identity = delivery_id(message.fingerprint, "resolved", end, channel)
    return replace(message, delivery_id=identity, **changes)


def hostile(channel: str = "webhook") -> Message:
    labels = {**LABELS, "target": HOSTILE, "note": HOSTILE}
    return firing(channel, labels=labels, annotations={"summary": HOSTILE, "description": HOSTILE * 200})
