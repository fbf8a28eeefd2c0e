"""Look at groups of alerts: what follows for each destination, written down in one transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from watchfleet.model import Destination, Message
from watchfleet.notify import acknowledgements, blocks, groups, outbox, told
from watchfleet.notify.alerts import known
from watchfleet.notify.escalation import GroupState, Stage, next_escalation, stages
from watchfleet.notify.groups import Group, Look
from watchfleet.notify.identity import transition
from watchfleet.notify.incoming import Alert
from watchfleet.notify.message import message_of
from watchfleet.notify.outbox import Notice
from watchfleet.notify.policy import Policy
from watchfleet.notify.told import Place
from watchfleet.notify.verdict import FLAPPING, MUTED, Entry, Verdict, judge

IDLE_LOOK: Final = timedelta(minutes=1)
"""How often a group is looked at that looks at every change at once: the end of a silence is none."""
NO_CHANNEL: Final = "no_channel"


@dataclass(frozen=True, slots=True)
class Flushed:
    """What looking at groups came to.

    Attributes:
        wake: The channels that have something to send once the transaction has committed.
        next_at: When the first of the groups is looked at again.
    """

    wake: tuple[str, ...] = ()
    next_at: datetime | None = None


def flush(
    connection: Connection, policy: Policy, found: Sequence[Group], now: datetime, *, published: bool = True
) -> Flushed:
    """Look at groups, write what is to be sent and why what is not, and when to look again.

    Args:
        connection: In a transaction that holds the groups.
        policy: Who is told of what.
        found: The groups.
        now: The present.
        published: Whether the caller wakes the channels itself.
    """
    if not found:
        return Flushed()
    states = _states(connection, policy, found, now)
    alerts = {alert.fingerprint: alert for state in states.values() for alert in state.alerts}
    held_back = blocks.find(connection, policy, alerts.values(), now)
    looks = _Looks(policy, now, {name: block.reason for name, block in held_back.items()})
    for group in found:
        looks.look(group, states[group.id])
    wake = outbox.write(connection, looks.notices, now, published=published)
    told.write(connection, looks.entries, looks.first, looks.over, now)
    groups.set_next_looks(connection, looks.next)
    times = [look.due_at for look in looks.next.values() if look.due_at is not None]
    return Flushed(wake, min(times, default=None))


def _states(
    connection: Connection, policy: Policy, found: Sequence[Group], now: datetime
) -> dict[int, GroupState]:
    ids = [group.id for group in found if group.fresh is None]
    members: dict[int, list[Alert]] = defaultdict(list)
    members.update({group.id: list(group.fresh) for group in found if group.fresh is not None})
    first: dict[int, dict[str, datetime]] = defaultdict(dict)
    for row in groups.members(connection, ids) if ids else ():
        members[row.group_id].append(known(row))
        if row.told_at is not None:
            first[row.group_id][row.fingerprint] = row.told_at
    # Of a group that is new nobody has been told, and nobody can have acknowledged it in time.
    alerts = {alert.fingerprint: alert for name in ids for alert in members[name]}
    over = [name for name, alert in alerts.items() if alert.is_over(now)]
    acknowledgements.end(connection, over, acknowledgements.CHANGED, now)
    acknowledged = acknowledgements.in_force(connection, list(alerts), now).keys()
    entries = told.read(connection, ids) if ids else {}
    return {
        group.id: GroupState(
            policy.node(group.route, group.channels),
            members[group.id],
            entries.get(group.id, {}),
            first[group.id],
            acknowledged,
        )
        for group in found
    }


@dataclass(slots=True)
class _Looks:
    """Looks at groups one after the other, and gathers what follows before it is written.

    Attributes:
        policy: Who is told of what.
        now: The present.
        blocked: Why alerts are silenced or inhibited, by fingerprint.
        notices: What is sent, and what is not.
        entries: What destinations have been told then.
        first: Alerts of which somebody is told, by group.
        over: Alerts that leave their group.
        next: When each group is looked at again.
    """

    policy: Policy
    now: datetime
    blocked: Mapping[str, str]
    notices: list[Notice] = field(default_factory=list)
    entries: dict[tuple[int, Place], Entry] = field(default_factory=dict)
    first: list[tuple[int, str]] = field(default_factory=list)
    over: list[tuple[int, str]] = field(default_factory=list)
    next: dict[int, Look] = field(default_factory=dict)

    def look(self, group: Group, state: GroupState) -> None:
        """Look at one group."""
        early = group.flushed_at is not None and self.now < group.flushed_at + _interval(state)
        verdicts, before = [], len(self.first)
        for stage in stages(self.policy, state, self.now, escalations_only=early):
            entry = state.entries.get(stage.place)
            verdicts.append(
                judge(entry, stage.alerts, self.blocked, state.acknowledged, stage.terms, now=self.now)
            )
            self._take(group, stage, verdicts[-1])
        told = {name: self.now for _, name in self.first[before:]}
        state = replace(state, first_told={**told, **state.first_told})
        if state.node and not self.policy.destinations(state.node):
            nobody = Destination("", state.node.receiver)
            self._hold(group, nobody, [(alert, NO_CHANNEL) for alert in state.alerts])
        left = [alert for alert in state.alerts if early or self._stays(alert, verdicts)]
        names = {alert.fingerprint for alert in left}
        self.over += [(group.id, one.fingerprint) for one in state.alerts if one.fingerprint not in names]
        looked_at = group.flushed_at if early else self.now
        self.next[group.id] = self._next(state, left, verdicts, looked_at) if left else Look(None, None)

    def _take(self, group: Group, stage: Stage, verdict: Verdict) -> None:
        step, destination = stage.place
        if verdict.alerts:
            occasion = f"{group.key} at {self.now.isoformat()}, step {step}"
            message = self._message(group, verdict.alerts, str(verdict.reason))
            self.notices.append(Notice(message, destination, occasion))
            self.first += [(group.id, one.fingerprint) for one in verdict.alerts if not one.is_over(self.now)]
        if verdict.entry is not None:
            self.entries[group.id, stage.place] = verdict.entry
        held = ((alert, verdict.held.get(alert.fingerprint, "")) for alert in stage.alerts)
        self._hold(group, destination, [(alert, reason) for alert, reason in held if reason])

    def _hold(self, group: Group, destination: Destination, held: Iterable[tuple[Alert, str]]) -> None:
        """A row for each alert that is not told, once for each state that it is in and each reason."""
        for alert, reason in held:
            status = alert.facts(self.now).status
            occasion = f"{transition(alert.fingerprint, status, alert.starts_at)} held: {reason}"
            message = self._message(group, [alert], reason)
            self.notices.append(Notice(message, destination, occasion, suppressed=reason))

    def _message(self, group: Group, alerts: Sequence[Alert], reason: str) -> Message:
        return message_of(
            [alert.facts(self.now) for alert in alerts],
            receiver="",
            group_key=group.key,
            group_labels=group.labels,
            reason=reason,
            external_url=self.policy.external_url,
        )

    def _stays(self, alert: Alert, verdicts: Sequence[Verdict]) -> bool:
        """Whether an alert stays in its group: it fires, or somebody is yet to be told of its end."""
        reasons = (verdict.held.get(alert.fingerprint, "") for verdict in verdicts)
        owed = any(reason == FLAPPING or reason.startswith(MUTED) for reason in reasons)
        return owed or not alert.is_over(self.now)

    def _next(
        self,
        state: GroupState,
        left: Sequence[Alert],
        verdicts: Sequence[Verdict],
        looked_at: datetime | None,
    ) -> Look:
        interval = _interval(state)
        times = [next_escalation(state, self.now)]
        if interval:
            times.append((looked_at or self.now) + interval)
        else:
            times.append(self.now + IDLE_LOOK)
            times += [alert.ends_at for alert in left if not alert.is_over(self.now)]
            times += [verdict.again_at for verdict in verdicts]
        return Look(min(at for at in times if at is not None), looked_at)


def _interval(state: GroupState) -> timedelta:
    return state.node.group_interval if state.node else timedelta(0)
