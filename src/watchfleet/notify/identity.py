"""Names that stay the same for the same thing: alerts and deliveries."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID, uuid5

from watchfleet.model import Destination

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
        # What is no Unicode has a name as well.
        for byte in (*_bytes(name), 0xFF, *_bytes(value), 0xFF):
            total = (total ^ byte) * _PRIME & 0xFFFFFFFFFFFFFFFF
    return f"{total:016x}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def transition(alert_fingerprint: str, status: Literal["firing", "resolved"], at: datetime) -> str:
    """The name of an alert's coming into a state, the same whenever it is told of.

    Args:
        alert_fingerprint: The alert's fingerprint.
        status: The state.
        at: When the alert came into it.
    """
    return f"{alert_fingerprint}:{status}:{at.astimezone(UTC).isoformat()}"


def delivery_id(occasion: str, destination: Destination) -> str:
    """The id of the one notification of an occasion to a destination, the same for every try.

    Args:
        occasion: What is told of: a `transition`, or the name that the dispatcher gives to a group's flush.
        destination: Who is told.
    """
    return str(uuid5(_DELIVERIES, f"{occasion}:{destination}"))


def order_key(group_key: str, destination: Destination) -> str:
    """What rows of the outbox share that must go out one after the other."""
    return str(uuid5(_DELIVERIES, f"{group_key} to {destination}"))
