"""Groups of alerts, made into what a receiver is told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Final

from watchfleet.model import AlertFacts, Message, Severity
from watchfleet.notify.routing import severity
from watchfleet.notify.text import storable

ALERTS_CAP: Final = 10_000
NAME_CAP: Final = 200
LABEL_CAP: Final = 2_000
ANNOTATION_CAP: Final = 16_000
MESSAGE_CAP: Final = 8_000_000
"""Characters that the annotations of one message may have together."""
_GRAVITY: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


def message_of(
    alerts: Sequence[AlertFacts],
    *,
    receiver: str,
    group_key: str,
    group_labels: Mapping[str, str],
    reason: str = "",
    external_url: str = "",
) -> Message:
    """What a receiver is told of a group, short enough to be kept and sent.

    Args:
        alerts: The group; at least one. Those over `ALERTS_CAP` are counted and not listed.
        receiver: The receiver's name.
        group_key: The same for every notification of this group.
        group_labels: What it is grouped by.
        reason: Why it is told now.
        external_url: Where the fleet's own pages are.
    """
    listed = tuple(_bounded(alerts[:ALERTS_CAP]))
    firing = [alert for alert in alerts if alert.status == "firing"]
    return Message(
        delivery_id="",
        receiver=receiver,
        status="firing" if firing else "resolved",
        severity=max((severity(alert.labels) for alert in firing or alerts), key=_GRAVITY.__getitem__),
        group_key=storable(group_key, LABEL_CAP),
        group_labels=_texts(group_labels, LABEL_CAP),
        common_labels=common([alert.labels for alert in listed]),
        common_annotations=common([alert.annotations for alert in listed]),
        alerts=listed,
        reason=reason,
        truncated_alerts=len(alerts) - len(listed),
        external_url=external_url,
    )


def alone(alert: AlertFacts, *, reason: str = "") -> Message:
    """The message of an alert that is a group of its own; its receiver is set when it is enqueued."""
    return message_of(
        [alert], receiver="", group_key=alert.fingerprint, group_labels=alert.labels, reason=reason
    )


def common(mappings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The entries that all the mappings have."""
    items = reduce(lambda found, other: found & other, (frozenset(each.items()) for each in mappings))
    return dict(sorted(items))


def _bounded(alerts: Sequence[AlertFacts]) -> Iterable[AlertFacts]:
    texts = sum(len(alert.annotations) for alert in alerts)
    limit = min(ANNOTATION_CAP, max(NAME_CAP, MESSAGE_CAP // max(1, texts)))
    for alert in alerts:
        yield replace(
            alert,
            labels=_texts(alert.labels, LABEL_CAP),
            annotations=_texts(alert.annotations, limit),
            generator_url=storable(alert.generator_url, LABEL_CAP),
        )


def _texts(texts: Mapping[str, str], limit: int) -> dict[str, str]:
    return {storable(name, NAME_CAP): storable(value, limit) for name, value in texts.items()}
