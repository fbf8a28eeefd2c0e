"""Sentry: one event a notification, posted as an envelope whose answer counts.

The SDK gives the event's form and reads the DSN; it does not send, because its client drops events without
a word when the server is away or limits the rate.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID, uuid5

from sentry_sdk.envelope import Envelope, Item, PayloadRef
from sentry_sdk.utils import BadDsn, Dsn

from watchfleet import http
from watchfleet.clock import utcnow
from watchfleet.errors import ConfigError, DeliveryError
from watchfleet.model import Message, Receipt, Severity
from watchfleet.notify.http_channel import Poster
from watchfleet.notify.receivers import SentryConfig
from watchfleet.notify.templates import render
from watchfleet.notify.text import clean, distinction, one_line, title
from watchfleet.settings import Settings

_EVENTS: Final = UUID("5f6a0e0e-3f0b-4a58-8a0e-0c2d6b1f4a77")
_LEVELS: Final = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "fatal"}
_TAG: Final = re.compile(r"[^A-Za-z0-9_.:-]")
_TEXT_CAP: Final = 8_000
_LISTED: Final = 100


@dataclass(frozen=True, slots=True)
class Look:
    """How events look.

    Attributes:
        title: A template for the event's message.
        text: A template for a further text.
        environment: What events are filed under.
    """

    title: str = ""
    text: str = ""
    environment: str = ""


class SentryChannel:
    """Posts each notification to one project; firing and resolved of a group are events of one issue.

    Args:
        dsn: The project.
        poster: Makes the requests.
        look: How events look.
    """

    config = SentryConfig

    def __init__(self, dsn: str, poster: Poster, look: Look) -> None:
        try:
            auth = Dsn(dsn).to_auth(http.USER_AGENT)
        except (BadDsn, ValueError):
            raise ConfigError(
                "sentry_dsn is not a DSN", mend="copy it from the project's settings: https://key@host/1"
            ) from None
        self._url, self._auth, self._poster = auth.get_api_url(), auth.to_header(), poster
        self._look = look

    @classmethod
    def from_config(cls, config: SentryConfig, settings: Settings) -> Self:
        """The channel."""
        look = Look(config.title, config.text, config.environment)
        return cls(config.secret("dsn"), Poster.of(config, settings), look)

    def send(self, message: Message) -> Receipt:
        """Post it; only 200 says that Sentry has taken the event."""
        content = event(message, self._look)
        envelope = Envelope(headers={"event_id": content["event_id"], "sent_at": utcnow().isoformat()})
        envelope.add_event(content)
        response = self.post(envelope)
        return Receipt(f"{response.status} {response.reason}".strip(), reference=_event_id(response.text))

    def check_in(self, content: Mapping[str, Any]) -> None:
        """Tell that a periodic task was sent in time, or was not; `alert_channels.checkins` has the content.

        Raises:
            DeliveryError: Sentry did not take it.
        """
        item = Item(PayloadRef(bytes=json.dumps(content).encode()), type="check_in")
        self.post(Envelope(headers={"event_id": content["check_in_id"]}, items=[item]))

    def post(self, envelope: Envelope) -> http.Response:
        """Post an envelope.

        Raises:
            DeliveryError: Sentry has not taken it.
        """
        headers = {"Content-Type": "application/x-sentry-envelope", "X-Sentry-Auth": self._auth}
        response = self._poster.post(self._url, envelope.serialize(), headers)
        if response.status != 200:
            raise DeliveryError(f"http_{response.status}", permanent=False, detail=response.text[:500])
        return response


def event(message: Message, look: Look) -> Any:
    """The event; its id follows from the delivery's, by which Sentry drops what comes twice."""
    firing = message.status == "firing"
    ends = [alert.ends_at for alert in message.alerts if alert.ends_at]
    at = min(alert.starts_at for alert in message.alerts) if firing or not ends else max(ends)
    annotations = {name: clean(text, _TEXT_CAP) for name, text in message.common_annotations.items()}
    tags = {_TAG.sub("_", name)[:32]: one_line(value, 200) for name, value in message.common_labels.items()}
    text = render(look.text, message).text
    return {
        "event_id": uuid5(_EVENTS, message.delivery_id).hex,
        "timestamp": at.isoformat(),
        "platform": "other",
        "logger": "watchfleet.rules",
        "level": _LEVELS[message.severity] if firing else "info",
        "logentry": {"formatted": one_line(render(look.title, message).text or title(message), 500)},
        "fingerprint": ["watchfleet", message.group_key],
        "tags": {**tags, "status": message.status},
        "extra": {
            **annotations,
            **({"text": text} if text else {}),
            "alerts": [distinction(alert, message) for alert in message.alerts[:_LISTED]],
            "count": message.count,
            "delivery_id": message.delivery_id,
        },
        **({"environment": look.environment} if look.environment else {}),
    }


def _event_id(text: str) -> str:
    try:
        answer = json.loads(text)
    except ValueError:
        return ""
    return str(answer.get("id", "")) if isinstance(answer, dict) else ""
