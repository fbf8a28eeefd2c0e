"""The log: one line of JSON a notification, by the logger `watchfleet.notifications`."""

import json
import logging
from datetime import datetime
from typing import Final, Self

from watchfleet.errors import DeliveryError
from watchfleet.model import Message, Receipt, Severity
from watchfleet.settings import Settings

LOGGER: Final = "watchfleet.notifications"
_LEVELS: Final = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.ERROR,
}


class LogChannel:
    """Writes notifications to the fleet's log; always on."""

    needs: str = "nothing"

    @classmethod
    def configured(cls, settings: Settings) -> bool:  # noqa: ARG003 - the protocol's signature
        """Always."""
        return True

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:  # noqa: ARG003 - likewise
        """The channel."""
        return cls()

    def send(self, message: Message) -> Receipt:
        """Write the line: firing at the level of its severity, resolved at INFO."""
        level = _LEVELS[message.severity] if message.status == "firing" else logging.INFO
        logger = logging.getLogger(LOGGER)
        if not (logger.isEnabledFor(level) and logger.hasHandlers()):
            raise DeliveryError("log_off", permanent=False, detail=f"nothing takes lines of {LOGGER}")
        logger.log(level, "%s", line(message))
        return Receipt(f"logged at {logging.getLevelName(level)}")


def line(message: Message) -> str:
    """The line: ASCII without control characters, whatever the labels hold."""
    return json.dumps(
        {
            "notification": message.status,
            "alert": message.alert,
            "severity": message.severity,
            "labels": message.labels,
            "annotations": message.annotations,
            "starts_at": message.starts_at.isoformat(),
            "ends_at": _isoformat(message.ends_at),
            "fingerprint": message.fingerprint,
            "delivery_id": message.delivery_id,
        }
    )


def _isoformat(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
