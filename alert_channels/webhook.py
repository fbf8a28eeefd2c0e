"""A webhook: Alertmanager's JSON (version 4), with the header fields of Standard Webhooks."""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Self

from watchfleet import http
from watchfleet.clock import utcnow
from watchfleet.errors import ConfigError
from watchfleet.model import AlertFacts, Message, Receipt
from watchfleet.notify.http_channel import Poster
from watchfleet.notify.receivers import WebhookConfig
from watchfleet.notify.templates import made
from watchfleet.settings import Settings

NO_END: Final = "0001-01-01T00:00:00Z"


class WebhookChannel:
    """Posts each notification to one address; only a 2xx counts as taken.

    Args:
        url: Where to.
        poster: Makes the requests.
        keys: Each signs the body.
        max_alerts: How many alerts are listed at most; 0 for all.
        templates: Make further texts, by their keys in the JSON.
    """

    config = WebhookConfig

    def __init__(
        self,
        url: str,
        poster: Poster,
        keys: Sequence[bytes] = (),
        max_alerts: int = 0,
        templates: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._url = http.check_url(url, "the webhook's url")
        self._poster, self._keys, self._max_alerts = poster, tuple(keys), max_alerts
        self._templates = templates

    @classmethod
    def from_config(cls, config: WebhookConfig, settings: Settings) -> Self:
        """The channel, signing with every key that the entry has."""
        secrets = (config.secret("signing_secret"), config.secret("old_signing_secret"))
        templates = {"title": config.title, "text": config.text}
        keys = [_key(secret) for secret in secrets if secret]
        return cls(config.secret("url"), Poster.of(config, settings), keys, config.max_alerts, templates)

    def send(self, message: Message) -> Receipt:
        """Post it."""
        body = json.dumps({**payload(message, self._max_alerts), **made(self._templates, message)}).encode()
        headers = {
            "Content-Type": "application/json",
            **signature(message.delivery_id, utcnow(), body, self._keys),
        }
        response = self._poster.post(self._url, body, headers)
        return Receipt(f"{response.status} {response.reason}".strip(), extra={"body": response.text[:500]})


def payload(message: Message, max_alerts: int = 0) -> dict[str, Any]:
    """The notification as Alertmanager writes it."""
    listed = message.alerts[: max_alerts or None]
    return {
        "version": "4",
        "groupKey": message.group_key,
        "truncatedAlerts": message.count - len(listed),
        "status": message.status,
        "receiver": message.receiver,
        "groupLabels": message.group_labels,
        "commonLabels": message.common_labels,
        "commonAnnotations": message.common_annotations,
        "externalURL": message.external_url,
        "alerts": [_alert(alert) for alert in listed],
        **({"notificationReason": message.reason} if message.reason else {}),
    }


def signature(delivery_id: str, now: datetime, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """Standard Webhooks 1.0: id, timestamp and, for each key, the signature (HMAC-SHA256)."""
    stamp = str(int(now.timestamp()))
    headers = {"webhook-id": delivery_id, "webhook-timestamp": stamp}
    signed = f"{delivery_id}.{stamp}.".encode() + body
    digests = [b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    return headers | ({"webhook-signature": " ".join(f"v1,{digest}" for digest in digests)} if keys else {})


def _key(secret: str) -> bytes:
    try:
        return b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ConfigError(
            "the webhook's signing secret is not base64", mend="write it like whsec_MfKQ9r8G..."
        ) from None


def _alert(alert: AlertFacts) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": _rfc3339(alert.starts_at),
        "endsAt": _rfc3339(alert.ends_at) if alert.ends_at else NO_END,
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
