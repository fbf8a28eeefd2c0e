"""What fires, how it stands, and in which groups it is told."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from watchfleet.db.tables import notify_group, notify_member
from watchfleet.notify import alerts, blocks
from watchfleet.notify.blocks import Block
from watchfleet.notify.flapping import flaps_until
from watchfleet.notify.incoming import Alert
from watchfleet.notify.matchers import Matcher, matches
from watchfleet.notify.policy import Policy
from watchfleet.patterns import full_match


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alerts are asked for.

    Attributes:
        matchers: What their labels must fulfil.
        receiver: A compiled pattern that one of their receivers must match; None for any.
        active: Whether those that nothing holds back.
        silenced: Whether those that are silenced.
        inhibited: Whether those that are inhibited.
    """

    matchers: Sequence[Matcher] = ()
    receiver: Any = None
    active: bool = True
    silenced: bool = True
    inhibited: bool = True

    def takes(self, seen: "Seen") -> bool:
        """Whether an alert is asked for."""
        if seen.block.reason:
            shown = (self.silenced or not seen.block.silenced_by) and (
                self.inhibited or not seen.block.inhibited_by
            )
        else:
            shown = self.active
        named = self.receiver is None or any(full_match(self.receiver, name) for name in seen.receivers)
        return shown and named and matches(self.matchers, seen.alert.labels)


@dataclass(frozen=True, slots=True)
class Seen:
    """An alert that fires, and how it stands.

    Attributes:
        alert: The alert.
        receivers: Who is told of it.
        block: What holds it back.
    """

    alert: Alert
    receivers: tuple[str, ...]
    block: Block


@dataclass(frozen=True, slots=True)
class SeenGroup:
    """Alerts that are told together.

    Attributes:
        labels: What they have in common.
        receiver: Who is told.
        alerts: The alerts.
    """

    labels: Mapping[str, str]
    receiver: str
    alerts: tuple[Seen, ...]


def alerts_of(connection: Connection, policy: Policy, wanted: Filter, now: datetime) -> list[Seen]:
    """The alerts that fire and are asked for, in the order of their fingerprints."""
    found = alerts.firing(connection, now)
    held = blocks.find(connection, policy, found, now)
    seen = (Seen(alert, _receivers(policy, alert), held.get(alert.fingerprint, Block())) for alert in found)
    return sorted(filter(wanted.takes, seen), key=lambda one: one.alert.fingerprint)


def groups_of(connection: Connection, policy: Policy, wanted: Filter, now: datetime) -> list[SeenGroup]:
    """The groups of the alerts that fire and are asked for."""
    shown = {one.alert.fingerprint: one for one in alerts_of(connection, policy, wanted, now)}
    members: dict[int, list[Seen]] = defaultdict(list)
    for row in connection.execute(
        select(notify_member.c.group_id, notify_member.c.fingerprint).order_by(notify_member.c.fingerprint)
    ):
        if row.fingerprint in shown:
            members[row.group_id].append(shown[row.fingerprint])
    found = []
    for row in connection.execute(select(notify_group).where(notify_group.c.id.in_(members))):
        node = policy.node(row.route, tuple(row.channels) if row.channels is not None else None)
        if node and (wanted.receiver is None or full_match(wanted.receiver, node.receiver)):
            found.append(SeenGroup(row.labels, node.receiver, tuple(members[row.id])))
    return sorted(found, key=lambda group: (sorted(group.labels.items()), group.receiver))


def flapping_until(policy: Policy, alert: Alert, now: datetime) -> datetime | None:
    """Until when an alert is held back because it flaps; None if it does not."""
    nodes = policy.nodes(alert.labels, alert.channels)
    times = [flaps_until(node.flap_damping, alert.changes, now) for node in nodes]
    return max((until for until in times if until), default=None)


def _receivers(policy: Policy, alert: Alert) -> tuple[str, ...]:
    return tuple(dict.fromkeys(node.receiver for node in policy.nodes(alert.labels, alert.channels)))
