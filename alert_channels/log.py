"""The log: one line of JSON a notification, by the logger watchfleet.notifications."""

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Self

from watchfleet.errors import DeliveryError
from watchfleet.model import AlertFacts, Message, Receipt, Severity
from watchfleet.notify.receivers import LogConfig
from watchfleet.notify.templates import made
from watchfleet.settings import Settings

LOGGER: Final = "watchfleet.notifications"
_LEVELS: Final = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.ERROR,
}


class LogChannel:
    """Writes notifications to the fleet's log.

    Args:
        templates: Make further texts, by their keys in the line.
    """

    config = LogConfig

    def __init__(self, templates: Mapping[str, str]) -> None:
        self._templates = templates

    @classmethod
    def from_config(cls, config: LogConfig, settings: Settings) -> Self:  # noqa: ARG003 - the protocol's signature
        """The channel."""
        return cls({"title": config.title, "text": config.text})

    def send(self, message: Message) -> Receipt:
        """Write the line: firing at the level of its severity, resolved at INFO."""
        level = _LEVELS[message.severity] if message.status == "firing" else logging.INFO
        logger = logging.getLogger(LOGGER)
        if not (logger.isEnabledFor(level) and logger.hasHandlers()):
            raise DeliveryError("log_off", permanent=False, detail=f"nothing takes lines of {LOGGER}")
        logger.log(level, "%s", line(message, made(self._templates, message)))
        return Receipt(f"logged at {logging.getLevelName(level)}")


def line(message: Message, more: Mapping[str, str]) -> str:
    """The line: ASCII without control characters, whatever the labels hold."""
    return json.dumps(
        {
            "notification": message.status,
            "alert": message.name,
            "severity": message.severity,
            "receiver": message.receiver,
            "group": message.group_labels,
            "labels": message.common_labels,
            "annotations": message.common_annotations,
            "alerts": [_facts(alert) for alert in message.alerts],
            "truncated": message.truncated_alerts,
            "reason": message.reason,
            "delivery_id": message.delivery_id,
            **more,
        }
    )


def _facts(alert: AlertFacts) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "starts_at": alert.starts_at.isoformat(),
        "ends_at": _isoformat(alert.ends_at),
        "fingerprint": alert.fingerprint,
    }


def _isoformat(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
