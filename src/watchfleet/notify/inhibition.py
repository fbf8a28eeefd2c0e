"""Inhibition: alerts that are not told while others fire."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from watchfleet.notify.configuration import InhibitRule
from watchfleet.notify.matchers import matches


class Source(Protocol):
    """An alert that fires and may inhibit others."""

    @property
    def fingerprint(self) -> str:
        """Its fingerprint."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""


def inhibiting(
    rules: Sequence[InhibitRule], labels: Mapping[str, str], firing: Iterable[Source]
) -> tuple[str, ...]:
    """The fingerprints of the alerts that inhibit one, the first of each rule; empty if none does.

    A label that both lack counts as equal, and so does one that is empty in one of them. An alert that a
    rule's source and target both match is not inhibited by another of which that is true (Alertmanager's
    `inhibit.InhibitRule.hasEqual`); else two of them would silence each other.

    Args:
        rules: The rules.
        labels: The alert that is to be told.
        firing: Every alert that fires.
    """
    firing = tuple(firing)
    found = (_by_rule(rule, labels, firing) for rule in rules if matches(rule.targets, labels))
    return tuple(dict.fromkeys(source for source in found if source is not None))


def _by_rule(rule: InhibitRule, labels: Mapping[str, str], firing: Sequence[Source]) -> str | None:
    is_source_too = matches(rule.sources, labels)
    for source in firing:
        if not matches(rule.sources, source.labels):
            continue
        if any(labels.get(name, "") != source.labels.get(name, "") for name in rule.equal):
            continue
        if is_source_too and matches(rule.targets, source.labels):
            continue
        return source.fingerprint
    return None
