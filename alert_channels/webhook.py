"""A webhook: Alertmanager's JSON (version 4), with the header fields of Standard Webhooks."""

import hmac
import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any, Final, Self

from watchfleet import http
from watchfleet.addresses import Guard, operator_guard
from watchfleet.clock import utcnow
from watchfleet.model import Message, Receipt
from watchfleet.settings import Settings

NO_END: Final = "0001-01-01T00:00:00Z"


class WebhookChannel:
    """Posts each notification to one address; only a 2xx counts as taken.

    Args:
        url: Where to.
        guard: Which addresses that may lead to.
        key: Signs the body, if there is one.
    """

    needs: str = "ALERT_WEBHOOK_URL"

    def __init__(self, url: str, guard: Guard, key: bytes | None = None) -> None:
        self._url, self._guard, self._key = http.check_url(url, "alert_webhook_url"), guard, key

    @classmethod
    def configured(cls, settings: Settings) -> bool:
        """Whether there is an address."""
        return settings.alert_webhook_url is not None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The channel for `alert_webhook_url`, signing when there is an `alert_webhook_secret`."""
        url = settings.alert_webhook_url
        secret = settings.alert_webhook_secret
        key = b64decode(secret.get_secret_value().removeprefix("whsec_")) if secret else None
        return cls(url.get_secret_value() if url else "", operator_guard(settings.outgoing_allow), key)

    def send(self, message: Message) -> Receipt:
        """Post it."""
        body = json.dumps(payload(message)).encode()
        headers = {
            "Content-Type": "application/json",
            **signature(message.delivery_id, utcnow(), body, self._key),
        }
        response = http.post(self._url, body, headers, guard=self._guard)
        return Receipt(f"{response.status} {response.reason}".strip(), extra={"body": response.text[:500]})


def payload(message: Message) -> dict[str, Any]:
    """The notification as Alertmanager writes it; each alert is a group of its own."""
    pairs = ", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(message.labels.items()))
    return {
        "version": "4",
        "groupKey": f"{{}}:{{{pairs}}}",
        "truncatedAlerts": 0,
        "status": message.status,
        "receiver": "webhook",
        "groupLabels": message.labels,
        "commonLabels": message.labels,
        "commonAnnotations": message.annotations,
        "externalURL": "",
        "alerts": [
            {
                "status": message.status,
                "labels": message.labels,
                "annotations": message.annotations,
                "startsAt": _rfc3339(message.starts_at),
                "endsAt": _rfc3339(message.ends_at) if message.ends_at else NO_END,
                "generatorURL": "",
                "fingerprint": message.fingerprint,
            }
        ],
    }


def signature(delivery_id: str, now: datetime, body: bytes, key: bytes | None) -> dict[str, str]:
    """Standard Webhooks 1.0: id, timestamp and, with a key, the signature (HMAC-SHA256)."""
    stamp = str(int(now.timestamp()))
    headers = {"webhook-id": delivery_id, "webhook-timestamp": stamp}
    if key is not None:
        digest = hmac.digest(key, f"{delivery_id}.{stamp}.".encode() + body, "sha256")
        headers["webhook-signature"] = f"v1,{b64encode(digest).decode()}"
    return headers


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
