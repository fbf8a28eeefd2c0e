"""The nouns that every part of the fleet speaks of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple


class Kind(StrEnum):
    """What a series' values mean."""

    COUNTER = "counter"
    """Only rises; falls to zero when its process restarts."""
    GAUGE = "gauge"
    """A level, which may rise and fall."""
    EVENT = "event"
    """Things that happened: each sample adds its value to the count."""
    DURATION = "duration"
    """How long each thing took, in seconds: a distribution."""


class Sample(NamedTuple):
    """One observation of one series.

    Attributes:
        name: The metric's name by Prometheus's rules, such as `probe_success`.
        labels: The labels that tell the series from others of its name.
        kind: What the value means.
        ts: Unix time in seconds.
        value: The observed value, in the unit that the name ends with.
    """

    name: str
    labels: dict[str, str]
    kind: Kind
    ts: float
    value: float


class Event(NamedTuple):
    """One thing that a scraper reported about one account.

    Attributes:
        signal: The signal's name, such as `account_scraped`; `watchfleet.signals` lists them.
        ts: Unix time in seconds.
        platform: Where the account lives, such as `instagram`.
        account: The account's name or id there.
        group: The customer, campaign or list that the account belongs to, if any.
        fields: What else the signal carries: text, finite numbers and nothing else.
    """

    signal: str
    ts: float
    platform: str
    account: str
    group: str | None
    fields: dict[str, str | float]


class Activity(NamedTuple):
    """What an application did under a correlation id, an alert that it raised, or a kind of statement it met.

    Attributes:
        kind: `task`, `request`, `query`, `repeat` (of a query), `lock` (others waited for it), `memory`
            (a snapshot of it), `alert` or `statement`.
        at: When it ended, or was raised, in Unix seconds.
        correlation_id: What it was done under.
        name: The task's, route's, statement's or alert's name.
        fields: What else is known: texts and numbers; of an alert its labels and texts.
    """

    kind: str
    at: float
    correlation_id: str
    name: str
    fields: dict[str, Any]


class Status(StrEnum):
    """The health of a target."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"
    MAINTENANCE = "maintenance"


class Severity(StrEnum):
    """How soon a person should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Measurement(NamedTuple):
    """A number that a probe found beside its verdict.

    Attributes:
        name: The metric's name, such as `celery_queue_length`.
        value: The level found, in the unit that the name ends with.
        labels: What tells it from others of its name, such as `{"queue": "watchfleet.probes"}`.
    """

    name: str
    value: float
    labels: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one check of one target found.

    Attributes:
        target: The target's name.
        status: UP, DEGRADED or DOWN; UNKNOWN when the check itself could not be made.
        reason: Why it is not up, as a snake_case name such as `connection_refused`; empty when up.
        duration: Seconds from the first byte sent to the verdict.
        checked_at: When the check began.
        detail: One line for people; holds no secret.
        values: Further measurements.
        answer: What the target answered when that was not as expected, cut off and redacted.
    """

    target: str
    status: Status
    reason: str
    duration: float
    checked_at: datetime
    detail: str = ""
    values: tuple[Measurement, ...] = ()
    answer: str = ""

    @property
    def ok(self) -> bool:
        """Whether the target served: up, or up but slow."""
        return self.status in {Status.UP, Status.DEGRADED}


class AlertState(StrEnum):
    """Where an alert stands."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """One alert, as it is told to a receiver.

    Attributes:
        labels: Its identity; may hold hostile text.
        annotations: Its summary, description and links; may hold hostile text.
        status: Whether it fires or is over.
        starts_at: When it began to fire.
        ends_at: When it was resolved, if it was.
        fingerprint: Identifies it among all others of any rule.
        generator_url: Where its condition can be looked at, if anywhere.
    """

    labels: dict[str, str]
    annotations: dict[str, str]
    status: Literal["firing", "resolved"]
    starts_at: datetime
    ends_at: datetime | None
    fingerprint: str
    generator_url: str = ""


class Destination(NamedTuple):
    """Who is told: one place of one receiver.

    Attributes:
        channel: The kind of channel, such as `slack`.
        receiver: The receiver's name.
        position: Which of the receiver's configurations of that channel, from 0.
        part: One of several who share that configuration, such as one recipient of a mail; empty for all.
    """

    channel: str
    receiver: str = "default"
    position: int = 0
    part: str = ""

    def __str__(self) -> str:
        """As people read it: `ops/email[0] anna@example.org`."""
        return f"{self.receiver}/{self.channel}[{self.position}] {self.part}".rstrip()


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receiver's word that it took a notification.

    Attributes:
        answer: What it said, such as `200 OK` or an SMTP reply; redacted before it is stored.
        reference: The receiver's own id for what it took, if it gave one.
        extra: Anything else worth keeping for the audit.
    """

    answer: str
    reference: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One notification on its way to one destination: a group of alerts, as Alertmanager tells of them.

    Attributes:
        delivery_id: The same for every try of this notification; receivers may deduplicate by it.
        receiver: The receiver's name.
        status: `firing` if any of the alerts is.
        severity: How soon a person should look: the gravest of the alerts that fire, or of all.
        group_key: The same for every notification of this group.
        group_labels: The labels that the group has in common because it is grouped by them.
        common_labels: Every label that all the alerts have.
        common_annotations: Every annotation that all the alerts have.
        alerts: The alerts; at least one.
        reason: Why it is told now, as a snake_case name.
        truncated_alerts: How many more alerts there are than are listed.
        external_url: Where the fleet's own pages are, if that is known.
        part: Of several who share the destination, the one that this is for; empty for all.
        attempt: Which try this is, from 1. After the first, the receiver may have it already.
        previous: What the receiver said to the earlier notification that this one continues, if there was
            one: a mail or a Slack message to answer.
    """

    delivery_id: str
    receiver: str
    status: Literal["firing", "resolved"]
    severity: Severity
    group_key: str
    group_labels: dict[str, str]
    common_labels: dict[str, str]
    common_annotations: dict[str, str]
    alerts: tuple[AlertFacts, ...]
    reason: str = ""
    truncated_alerts: int = 0
    external_url: str = ""
    part: str = ""
    attempt: int = 1
    previous: Receipt | None = None

    @property
    def name(self) -> str:
        """The rule's name; empty when alerts of several rules are grouped."""
        return self.common_labels.get("alertname", "")

    @property
    def firing(self) -> tuple[AlertFacts, ...]:
        """Those of the alerts that fire."""
        return tuple(alert for alert in self.alerts if alert.status == "firing")

    @property
    def count(self) -> int:
        """How many alerts it tells of, the unlisted ones included."""
        return len(self.alerts) + self.truncated_alerts
