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
    """

    target: str
    status: Status
    reason: str
    duration: float
    checked_at: datetime
    detail: str = ""
    values: tuple[Measurement, ...] = ()

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
class Message:
    """One notification on its way to one channel.

    Attributes:
        delivery_id: The same for every try of this notification; receivers may deduplicate by it.
        status: `firing` or `resolved`.
        alert: The rule's name.
        severity: How soon a person should look.
        labels: The alert's labels; may hold hostile text.
        annotations: The alert's summary, description and links; may hold hostile text.
        starts_at: When the alert began to fire.
        ends_at: When it was resolved, if it was.
        fingerprint: Identifies the alert among all others of any rule.
    """

    delivery_id: str
    status: Literal["firing", "resolved"]
    alert: str
    severity: Severity
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None
    fingerprint: str


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
