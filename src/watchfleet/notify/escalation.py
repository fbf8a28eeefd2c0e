"""Whom a group is told to at one look: the route's receiver, and who comes after it when nobody acts."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchfleet.model import Destination
from watchfleet.notify.incoming import Alert
from watchfleet.notify.policy import Policy
from watchfleet.notify.told import Place
from watchfleet.notify.tree import Node
from watchfleet.notify.verdict import Entry, Terms


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group at one look.

    Attributes:
        node: Its node; None if the tree has it no more.
        alerts: Its alerts.
        entries: What was told so far.
        first_told: When each alert was told of first, by fingerprint.
        acknowledged: Fingerprints of those that somebody has acknowledged.
    """

    node: Node | None
    alerts: Sequence[Alert]
    entries: Mapping[Place, Entry]
    first_told: Mapping[str, datetime]
    acknowledged: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class Stage:
    """One destination, and what of the group concerns it.

    Attributes:
        place: The step and the destination.
        alerts: The alerts that it is told of, or is owed the end of.
        terms: How it wants to be told.
    """

    place: Place
    alerts: tuple[Alert, ...]
    terms: Terms


def stages(policy: Policy, group: GroupState, now: datetime, *, escalations_only: bool) -> Iterator[Stage]:
    """Everyone who may be told of a group now, and everyone who is owed the end of an alert.

    An alert that the tree now takes elsewhere is no business of the group any more, but whoever was told of
    it hears of its end.

    Args:
        policy: Who is told of what.
        group: The group.
        now: The present.
        escalations_only: Whether the route's own receiver has to wait for its next regular look.
    """
    mine = {alert.fingerprint for alert in group.alerts if _is_at(policy, group.node, alert)}
    wanted = dict(_wanted(policy, group.node))
    for place in dict.fromkeys((*wanted, *group.entries)):
        step, destination = place
        if escalations_only and step == 0:
            continue
        told = group.entries[place].told if place in group.entries else frozenset()
        due = mine & _escalated(group, wanted[place], now) if place in wanted else frozenset()
        alerts = tuple(
            alert
            for alert in group.alerts
            if alert.fingerprint in due or (alert.fingerprint in told and (alert.is_over(now) or step))
        )
        if alerts:
            yield Stage(place, alerts, _terms(policy, group.node, destination, now))


def next_escalation(group: GroupState, now: datetime) -> datetime | None:
    """When the next step is due for an alert that nobody has acknowledged."""
    times = [
        group.first_told[alert.fingerprint] + step.after
        for step in (group.node.escalation if group.node else ())
        for alert in group.alerts
        if _is_open(group, alert, now)
    ]
    return min((at for at in times if at > now), default=None)


def _wanted(policy: Policy, node: Node | None) -> Iterator[tuple[Place, timedelta | None]]:
    """Whom the node tells, and how long after the first notification; None for the route's own receiver."""
    if node is None:
        return
    for destination in policy.destinations(node):
        yield (0, destination), None
    for number, step in enumerate(node.escalation, 1):
        for receiver in step.receivers:
            for destination in policy.places(receiver):
                yield (number, destination), step.after


def _escalated(group: GroupState, after: timedelta | None, now: datetime) -> frozenset[str]:
    """The alerts that are told after that time."""
    if after is None:
        return frozenset(alert.fingerprint for alert in group.alerts)
    return frozenset(
        alert.fingerprint
        for alert in group.alerts
        if _is_open(group, alert, now) and group.first_told[alert.fingerprint] + after <= now
    )


def _is_open(group: GroupState, alert: Alert, now: datetime) -> bool:
    name = alert.fingerprint
    return name in group.first_told and name not in group.acknowledged and not alert.is_over(now)


def _is_at(policy: Policy, node: Node | None, alert: Alert) -> bool:
    return node is not None and any(one.key == node.key for one in policy.nodes(alert.labels, alert.channels))


def _terms(policy: Policy, node: Node | None, destination: Destination, now: datetime) -> Terms:
    receiver = policy.receivers.get(destination.receiver)
    config = receiver.config(destination) if receiver else None
    send_resolved = config.send_resolved if config else True
    if node is None:
        return Terms(timedelta.max, send_resolved)
    return Terms(
        repeat=node.repeat_interval,
        send_resolved=send_resolved,
        muted=policy.muted(node, now),
        dedup_window=node.dedup_window,
        flap_damping=node.flap_damping,
    )
