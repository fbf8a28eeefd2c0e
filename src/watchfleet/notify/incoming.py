"""Alerts as they come in, from rules or from outside, and how news of one becomes part of what is known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watchfleet.model import AlertFacts
from watchfleet.notify.flapping import KEPT
from watchfleet.notify.identity import fingerprint


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as notifications know it.

    Attributes:
        fingerprint: Its name.
        labels: Its identity.
        annotations: Its texts.
        starts_at: When it began to fire.
        ends_at: When it was over, or will be if nothing more is heard of it; None for not yet.
        updated_at: When it was last heard of.
        expires: Whether `ends_at` is only our guess, for want of news.
        generator_url: Where its condition can be looked at.
        channels: A rule's own channels, which win over the routing tree.
        dedup_window: A rule's own, which wins over its route's.
        changes: When it last began or ceased to fire, the newest first.
    """

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    updated_at: datetime
    expires: bool = False
    generator_url: str = ""
    channels: tuple[str, ...] | None = None
    dedup_window: timedelta | None = None
    changes: tuple[datetime, ...] = ()

    def is_over(self, now: datetime) -> bool:
        """Whether it does not fire any more."""
        return self.ends_at is not None and self.ends_at <= now

    def facts(self, now: datetime) -> AlertFacts:
        """The alert as a receiver is told of it. While it fires, no end is named."""
        over = self.is_over(now)
        return AlertFacts(
            labels=dict(self.labels),
            annotations=dict(self.annotations),
            status="resolved" if over else "firing",
            starts_at=self.starts_at,
            ends_at=self.ends_at if over else None,
            fingerprint=self.fingerprint,
            generator_url=self.generator_url,
        )


def of_rule(
    facts: AlertFacts,
    now: datetime,
    channels: Sequence[str] | None = None,
    dedup_window: timedelta | None = None,
) -> Alert:
    """An alert of a rule of ours that has come into the state that `facts` tell.

    Args:
        facts: The alert.
        now: The present.
        channels: The rule's own channels; None to go by the routing tree.
        dedup_window: The rule's own; None to go by the routing tree.
    """
    return Alert(
        fingerprint=facts.fingerprint,
        labels=facts.labels,
        annotations=facts.annotations,
        starts_at=facts.starts_at,
        ends_at=facts.ends_at,
        updated_at=now,
        generator_url=facts.generator_url,
        channels=tuple(channels) if channels is not None else None,
        dedup_window=dedup_window,
    )


def merged(old: Alert | None, new: Alert, now: datetime) -> Alert:
    """What is known of an alert after news of it: Alertmanager's `provider/mem` and `types.Alert.Merge`.

    News of the same time of firing keep the earliest start and the newest texts; an end that was only
    guessed gives way to any other. News of another time replace what is known.
    """
    if old is None:
        return replace(new, changes=(new.starts_at,) if not new.is_over(now) else ())
    found = _joined(old, new, now) if _overlap(old, new) else new
    if found.is_over(now) == old.is_over(now) and _same_time(old, found):
        return replace(found, changes=old.changes)
    turned = now if found.is_over(now) == old.is_over(now) else found.ends_at or found.starts_at
    return replace(found, changes=(min(turned, now), *old.changes)[:KEPT])


def _same_time(old: Alert, found: Alert) -> bool:
    return found.starts_at <= old.starts_at or _overlap(old, found)


def _overlap(old: Alert, new: Alert) -> bool:
    """Whether both tell of the same time of firing; an end that is open is later than any other."""
    if new.ends_at is not None and new.ends_at > old.starts_at and _before(new.ends_at, old.ends_at):
        return True
    if new.ends_at is None and old.ends_at is None:
        return True
    return new.starts_at >= old.starts_at and _before(new.starts_at, old.ends_at)


def _before(at: datetime, end: datetime | None) -> bool:
    return end is None or at < end


def _joined(old: Alert, new: Alert, now: datetime) -> Alert:
    starts_at, ends_at, expires = min(old.starts_at, new.starts_at), new.ends_at, new.expires
    if new.is_over(now):
        if old.is_over(now) and old.ends_at and new.ends_at and old.ends_at > new.ends_at:
            ends_at = old.ends_at
    elif not old.expires and not old.is_over(now) and new.ends_at and _before(new.ends_at, old.ends_at):
        ends_at, expires = old.ends_at, False
    return replace(new, starts_at=starts_at, ends_at=ends_at, expires=expires)


def named(labels: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Labels without those that are empty, and their fingerprint."""
    kept = {name: value for name, value in sorted(labels.items()) if value}
    return kept, fingerprint(kept)


def newest(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """The last that is said of each alert, by fingerprint, in the order of fingerprints."""
    return dict(sorted({alert.fingerprint: alert for alert in alerts}.items()))
