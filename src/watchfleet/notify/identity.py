"""Names that stay the same for the same thing: alerts and deliveries."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID, uuid5

_DELIVERIES: Final = UUID("8d8a3d0b-6c6c-4f0e-9b7e-5d1c7a1f2e43")
_OFFSET: Final = 0xCBF29CE484222325
_PRIME: Final = 0x100000001B3


def fingerprint(labels: Mapping[str, str]) -> str:
    """The alert's fingerprint: 16 hexadecimal digits of 64-bit FNV-1a over its sorted labels.

    The same as Prometheus's and Alertmanager's (prometheus/common, `LabelSet.Fingerprint`), so that an
    alert has one name in both.
    """
    total = _OFFSET
    for name, value in sorted(labels.items()):
        for byte in (*name.encode(), 0xFF, *value.encode(), 0xFF):
            total = (total ^ byte) * _PRIME & 0xFFFFFFFFFFFFFFFF
    return f"{total:016x}"


def delivery_id(
    alert_fingerprint: str, status: Literal["firing", "resolved"], at: datetime, channel: str
) -> str:
    """The id of the one notification of a transition to a channel, the same for every try.

    Args:
        alert_fingerprint: The alert's fingerprint.
        status: What is notified.
        at: When the alert came into that state.
        channel: The channel's name.
    """
    name = f"{alert_fingerprint}:{status}:{at.astimezone(UTC).isoformat()}:{channel}"
    return str(uuid5(_DELIVERIES, name))


def order_key(alert_fingerprint: str, channel: str) -> str:
    """What rows of the outbox share that must go out one after the other."""
    return f"{alert_fingerprint}:{channel}"
