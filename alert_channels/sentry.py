"""Sentry: one event a notification, posted as an envelope whose answer counts.

The SDK gives the event's form and reads the DSN; it does not send, because its client drops events without
a word when the server is away or limits the rate.
"""

import json
import re
from typing import Any, Final, Self
from uuid import UUID, uuid5

from sentry_sdk.envelope import Envelope
from sentry_sdk.utils import BadDsn, Dsn

from watchfleet import http
from watchfleet.addresses import Guard, operator_guard
from watchfleet.clock import utcnow
from watchfleet.errors import ConfigError, DeliveryError
from watchfleet.model import Message, Receipt, Severity
from watchfleet.notify.text import clean, one_line, title
from watchfleet.settings import Settings

_EVENTS: Final = UUID("5f6a0e0e-3f0b-4a58-8a0e-0c2d6b1f4a77")
_LEVELS: Final = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "fatal"}
_TAG: Final = re.compile(r"[^A-Za-z0-9_.:-]")
_TEXT_CAP: Final = 8_000


class SentryChannel:
    """Posts each notification to one project; firing and resolved of an alert are events of one issue.

    Args:
        dsn: The project.
        guard: Which addresses that may lead to.
    """

    needs: str = "SENTRY_DSN"

    def __init__(self, dsn: str, guard: Guard) -> None:
        try:
            auth = Dsn(dsn).to_auth(http.USER_AGENT)
        except (BadDsn, ValueError):
            raise ConfigError(
                "sentry_dsn is not a DSN", mend="copy it from the project's settings: https://key@host/1"
            ) from None
        self._url, self._auth, self._guard = auth.get_api_url(), auth.to_header(), guard

    @classmethod
    def configured(cls, settings: Settings) -> bool:
        """Whether there is a DSN."""
        return settings.sentry_dsn is not None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The channel for `sentry_dsn`."""
        dsn = settings.sentry_dsn
        return cls(dsn.get_secret_value() if dsn else "", operator_guard(settings.outgoing_allow))

    def send(self, message: Message) -> Receipt:
        """Post it; only 200 says that Sentry has taken the event."""
        content = event(message)
        envelope = Envelope(headers={"event_id": content["event_id"], "sent_at": utcnow().isoformat()})
        envelope.add_event(content)
        headers = {"Content-Type": "application/x-sentry-envelope", "X-Sentry-Auth": self._auth}
        response = http.post(self._url, envelope.serialize(), headers, guard=self._guard)
        if response.status != 200:
            raise DeliveryError(f"http_{response.status}", permanent=False, detail=response.text[:500])
        return Receipt(f"{response.status} {response.reason}".strip(), reference=_event_id(response.text))


def event(message: Message) -> Any:
    """The event; its id follows from the delivery's, by which Sentry drops what comes twice."""
    firing = message.status == "firing"
    texts = {name: clean(text, _TEXT_CAP) for name, text in message.annotations.items()}
    return {
        "event_id": uuid5(_EVENTS, message.delivery_id).hex,
        "timestamp": (message.starts_at if firing else message.ends_at or message.starts_at).isoformat(),
        "platform": "other",
        "logger": "watchfleet.rules",
        "level": _LEVELS[message.severity] if firing else "info",
        "logentry": {"formatted": title(message)},
        "fingerprint": ["watchfleet", message.fingerprint],
        "tags": {_TAG.sub("_", name)[:32]: one_line(value, 200) for name, value in message.labels.items()},
        "extra": {**texts, "delivery_id": message.delivery_id},
    }


def _event_id(text: str) -> str:
    try:
        answer = json.loads(text)
    except ValueError:
        return ""
    return str(answer.get("id", "")) if isinstance(answer, dict) else ""
