"""Keep secrets out of spans. It is done when they are sent, in our own thread, so that no host waits."""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

from watchfleet.redact import redact

TEXTS: Final = {
    "celery.retry.reason",
    "db.query.text",
    "db.statement",
    "exception.message",
    "exception.stacktrace",
    "http.target",
    "http.url",
    "url.full",
    "url.query",
}
"""The attributes in which users' texts and addresses end up. The others are names and numbers."""


def redacted(span: ReadableSpan) -> ReadableSpan:
    """The span itself when it holds no secret, else a copy without it."""
    attributes, events, status = span.attributes or {}, span.events, span.status
    if not events and not status.description and TEXTS.isdisjoint(attributes):
        return span
    clean = (_attributes(attributes), tuple(map(_event, events)), _status(status))
    if clean == (attributes, tuple(events), status):
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=clean[0],
        events=clean[1],
        links=span.links,
        kind=span.kind,
        status=clean[2],
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _attributes(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    found = {key: attributes[key] for key in TEXTS.intersection(attributes)}
    changed = {key: redact(str(value)) for key, value in found.items() if redact(str(value)) != value}
    return {**attributes, **changed} if changed else attributes


def _event(event: Event) -> Event:
    before = event.attributes or {}
    after = _attributes(before)
    return event if after is before else Event(event.name, after, event.timestamp)


def _status(status: Status) -> Status:
    text = status.description
    clean = redact(text) if text else text
    return status if clean == text else Status(status.status_code, clean)
