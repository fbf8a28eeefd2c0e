"""What one destination is told of a group now, if anything: a pure decision.

Alertmanager's order: inhibition, active times, mute times, silences, then whether there is anything new.
Three things differ, all to lose nothing. The end of an alert is told to whoever was told of it, also when it
has been silenced or inhibited meanwhile; where the times are muted it waits until they are not. An alert
that is held back leaves the reason behind. And an alert may be held back because it flaps, or because it was
told a moment ago.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from watchfleet.notify.configuration import FlapDamping
from watchfleet.notify.dedup import Reason, Told, decide
from watchfleet.notify.flapping import flaps_until
from watchfleet.notify.incoming import Alert

FLAPPING: Final = "flapping"
DEDUP_WINDOW: Final = "dedup_window"
MUTED: Final = "muted"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a destination was told of a group so far.

    Attributes:
        firing: Fingerprints of what fired when it was told last.
        resolved: Fingerprints of what was over when it was told last.
        told: Fingerprints of the alerts whose end it has not heard of yet.
        fired: When it was last told that an alert fires, by fingerprint.
        at: When it was told last.
    """

    firing: AbstractSet[str]
    resolved: AbstractSet[str]
    told: AbstractSet[str]
    fired: Mapping[str, datetime]
    at: datetime


@dataclass(frozen=True, slots=True)
class Terms:
    """How a destination wants to be told.

    Attributes:
        repeat: When what still fires is told again.
        send_resolved: Whether it hears of ends.
        muted: Why nothing is told at this time, such as `muted:nights`; empty if something may be.
        dedup_window: How long an alert that fires again is not told again, if its rule says nothing.
        flap_damping: When to hold back what comes and goes.
    """

    repeat: timedelta
    send_resolved: bool = True
    muted: str = ""
    dedup_window: timedelta = timedelta(0)
    flap_damping: FlapDamping | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a destination is told.

    Attributes:
        reason: Why it is told, or not; None when every alert is held back.
        alerts: What is told; empty for nothing.
        entry: What it has been told then; None when that is as before.
        held: Why alerts are not told, by fingerprint.
        again_at: When to look again because of what is held back; None if the next regular look will do.
    """

    reason: Reason | None
    alerts: tuple[Alert, ...] = ()
    entry: Entry | None = None
    held: Mapping[str, str] = field(default_factory=dict)
    again_at: datetime | None = None


def judge(
    entry: Entry | None,
    alerts: Sequence[Alert],
    blocks: Mapping[str, str],
    acknowledged: AbstractSet[str],
    terms: Terms,
    *,
    now: datetime,
) -> Verdict:
    """Decide what a destination is told of a group.

    Args:
        entry: What it was told so far; None if nothing.
        alerts: The group's alerts.
        blocks: Which of them are silenced or inhibited, and the reason, such as `silenced:<id>`.
        acknowledged: Fingerprints of those that somebody has acknowledged.
        terms: How it wants to be told.
        now: The present.
    """
    told = entry.told if entry else frozenset()
    held = dict(_held(alerts, blocks, told, terms, now))
    shown = [alert for alert in alerts if alert.fingerprint not in held]
    firing = {alert.fingerprint for alert in shown if not alert.is_over(now)}
    resolved = {alert.fingerprint for alert in shown if alert.is_over(now)}
    windows = _windows(alerts, terms)
    recent = _recent(entry, firing, windows, now)
    if firing and recent >= firing - (entry.firing if entry else frozenset()) and recent:
        held |= dict.fromkeys(recent, DEDUP_WINDOW)
        shown = [alert for alert in shown if alert.fingerprint not in recent]
        firing -= recent
    again = _again(entry, alerts, held, terms, windows)
    if not shown:
        return Verdict(None, held=held, again_at=again)
    last = Told(entry.firing, entry.resolved, entry.at) if entry else None
    reason = decide(
        last,
        firing,
        resolved,
        terms.repeat,
        now,
        send_resolved=terms.send_resolved,
        acknowledged=firing <= acknowledged,
    )
    if not reason.sends:
        gone = {name: str(reason) for name in resolved - told} if reason is Reason.NEVER_FIRED else {}
        return Verdict(reason, held={**gone, **held}, again_at=again)
    after = _after(entry, firing, resolved, windows, now)
    sent = tuple(alert for alert in shown if terms.send_resolved or alert.fingerprint in firing)
    return Verdict(reason, sent, after, held, again)


def _held(
    alerts: Iterable[Alert],
    blocks: Mapping[str, str],
    told: AbstractSet[str],
    terms: Terms,
    now: datetime,
) -> Iterable[tuple[str, str]]:
    for alert in alerts:
        owed = alert.is_over(now) and alert.fingerprint in told
        block = blocks.get(alert.fingerprint, "")
        if block.startswith("inhibited") and not owed:
            yield alert.fingerprint, block
        elif terms.muted:
            yield alert.fingerprint, terms.muted
        elif block and not owed:
            yield alert.fingerprint, block
        elif flaps_until(terms.flap_damping, alert.changes, now):
            yield alert.fingerprint, FLAPPING


def _windows(alerts: Iterable[Alert], terms: Terms) -> defaultdict[str, timedelta]:
    own = {one.fingerprint: one.dedup_window for one in alerts if one.dedup_window is not None}
    return defaultdict(lambda: terms.dedup_window, own)


def _recent(
    entry: Entry | None, firing: AbstractSet[str], windows: Mapping[str, timedelta], now: datetime
) -> set[str]:
    """Those that fire anew, but were told to fire a moment ago."""
    if entry is None:
        return set()
    return {
        name
        for name in firing - entry.firing
        if name in entry.fired and entry.fired[name] > now - windows[name]
    }


def _again(
    entry: Entry | None,
    alerts: Iterable[Alert],
    held: Mapping[str, str],
    terms: Terms,
    windows: Mapping[str, timedelta],
) -> datetime | None:
    times = []
    for alert in alerts:
        why = held.get(alert.fingerprint)
        if why == FLAPPING and terms.flap_damping:
            times.append(alert.changes[0] + terms.flap_damping.quiet)
        elif why == DEDUP_WINDOW and entry:
            times.append(entry.fired[alert.fingerprint] + windows[alert.fingerprint])
    return min(times, default=None)


def _after(
    entry: Entry | None,
    firing: AbstractSet[str],
    resolved: AbstractSet[str],
    windows: Mapping[str, timedelta],
    now: datetime,
) -> Entry:
    told = ((entry.told if entry else frozenset()) | firing) - resolved
    before = entry.fired if entry else {}
    fired = {name: at for name, at in before.items() if at > now - windows[name]}
    fired |= {name: now for name in firing if windows[name]}
    return Entry(frozenset(firing), frozenset(resolved), told, fired, now)
