"""Which alerts are silenced or inhibited, and by what."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from watchfleet.db.tables import notify_alert
from watchfleet.notify import silences
from watchfleet.notify.configuration import InhibitRule
from watchfleet.notify.incoming import Alert
from watchfleet.notify.inhibition import Source, inhibiting
from watchfleet.notify.matchers import matches
from watchfleet.notify.policy import Policy


@dataclass(frozen=True, slots=True)
class Block:
    """What keeps an alert from being told.

    Attributes:
        inhibited_by: Fingerprints of alerts.
        silenced_by: Ids of silences.
    """

    inhibited_by: tuple[str, ...] = ()
    silenced_by: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The first of them, such as `silenced:<id>`; empty if there is none."""
        if self.inhibited_by:
            return f"inhibited:{self.inhibited_by[0]}"
        return f"silenced:{self.silenced_by[0]}" if self.silenced_by else ""


@dataclass(frozen=True, slots=True)
class _Firing:
    fingerprint: str
    labels: Mapping[str, str]


def find(
    connection: Connection, policy: Policy, alerts: Collection[Alert], now: datetime
) -> dict[str, Block]:
    """What keeps each of these alerts from being told, by fingerprint; without those that nothing does."""
    silent = silences.in_force(connection, now)
    firing = _sources(connection, policy.inhibit_rules, alerts, now)
    found = {}
    for alert in alerts:
        block = Block(
            inhibiting(policy.inhibit_rules, alert.labels, firing) if firing else (),
            silences.silencing(silent, alert.labels),
        )
        if block.reason:
            found[alert.fingerprint] = block
    return found


def _sources(
    connection: Connection, rules: Sequence[InhibitRule], alerts: Iterable[Alert], now: datetime
) -> list[Source]:
    """The firing alerts that may inhibit any of these; PostgreSQL narrows them down by the equal matchers."""
    concerned = [rule for rule in rules if any(matches(rule.targets, alert.labels) for alert in alerts)]
    if not concerned:
        return []
    equal = (
        {one.name: one.value for one in rule.sources if one.op == "=" and one.value} for rule in concerned
    )
    rows = connection.execute(
        select(notify_alert.c.fingerprint, notify_alert.c.labels)
        .where(
            or_(notify_alert.c.ends_at.is_(None), notify_alert.c.ends_at > now),
            or_(*(notify_alert.c.labels.contains(labels) for labels in equal)),
        )
        .order_by(notify_alert.c.starts_at, notify_alert.c.fingerprint)
    )
    return [_Firing(row.fingerprint, row.labels) for row in rows]
