"""The audit, alerts and silences as facts for programs: what `--json` prints and the API answers."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from watchfleet.notify.acknowledgements import Acknowledgement
from watchfleet.notify.audit import Life, Notification
from watchfleet.notify.incoming import Alert
from watchfleet.notify.overview import Seen
from watchfleet.notify.silences import Silence


def notification(one: Notification) -> dict[str, Any]:
    """A notification."""
    return _plain({**asdict(one), "destination": str(one.destination), **one.destination._asdict()})


def alert(
    seen: Seen, acknowledged: Acknowledgement | None, *, flapping_until: datetime | None
) -> dict[str, Any]:
    """An alert that fires, and how it stands."""
    return {
        **_alert(seen.alert),
        "receivers": list(seen.receivers),
        "silenced_by": list(seen.block.silenced_by),
        "inhibited_by": list(seen.block.inhibited_by),
        "acknowledged": acknowledgement(acknowledged) if acknowledged else None,
        "flapping_until": flapping_until.isoformat() if flapping_until else None,
    }


def life(found: Life) -> dict[str, Any]:
    """An alert's whole life."""
    return {
        "alert": _alert(found.alert) if found.alert else None,
        "events": [_plain(asdict(event)) for event in found.events],
        "notifications": [notification(one) for one in found.notifications],
        "acknowledgements": [acknowledgement(one) for one in found.acknowledgements],
    }


def acknowledgement(one: Acknowledgement) -> dict[str, Any]:
    """Somebody's word that they are on an alert."""
    return _plain(asdict(one))


def silence(one: Silence, now: datetime) -> dict[str, Any]:
    """A silence."""
    return {
        "id": str(one.id),
        "state": str(one.state(now)),
        "matchers": [str(each) for each in one.matchers],
        "starts_at": one.starts_at.isoformat(),
        "ends_at": one.ends_at.isoformat(),
        "created_by": one.created_by,
        "comment": one.comment,
        "intervals": [each.model_dump(mode="json") for each in one.intervals],
    }


def _alert(one: Alert) -> dict[str, Any]:
    return _plain(asdict(one))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return [_value(each) for each in value] if isinstance(value, list | tuple) else value
