"""Notifications for tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from watchfleet.model import AlertFacts, Destination, Message
from watchfleet.notify.identity import delivery_id, fingerprint, transition
from watchfleet.notify.message import alone

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LABELS = {"alertname": "DependencyDown", "target": "shop", "kind": "http", "severity": "critical"}
HOSTILE = (
    "<!channel> <@U1> <http://evil|click> *bold* `code` & <b onclick=x>html</b>"
    "\r\nBcc: victim@example.com\r\n\r\nbody\x00\x1b[31m\u202egnp\u2028\u0085\x0bend"
)


ANNOTATIONS = {"summary": "shop is down", "description": "2 checks in a row failed (http). timeout"}
END = AT + timedelta(minutes=5)


def alert(**changes: Any) -> AlertFacts:
    facts = AlertFacts(dict(LABELS), dict(ANNOTATIONS), "firing", AT, None, fingerprint(LABELS))
    return replace(facts, **changes)


def ended(**changes: Any) -> AlertFacts:
    return alert(status="resolved", ends_at=END, **changes)


def told(facts: AlertFacts, channel: str = "webhook", part: str = "") -> Message:
    """The alert as a group of its own, at the default receiver."""
    destination = Destination(channel, part=part)
    occasion = transition(facts.fingerprint, facts.status, facts.ends_at or facts.starts_at)
    return replace(
        alone(facts), delivery_id=delivery_id(occasion, destination), receiver="default", part=part
    )


def firing(channel: str = "webhook", part: str = "", **changes: Any) -> Message:
    return told(alert(**changes), channel, part)


def resolved(channel: str = "webhook", part: str = "", **changes: Any) -> Message:
    return told(ended(**changes), channel, part)


def hostile(channel: str = "webhook", part: str = "") -> Message:
    labels = {**LABELS, "target": HOSTILE, "note": HOSTILE}
    annotations = {"summary": HOSTILE, "description": HOSTILE * 200}
    return firing(channel, part, labels=labels, annotations=annotations)
