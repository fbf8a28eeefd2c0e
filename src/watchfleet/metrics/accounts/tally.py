"""What the events of one batch come to, for whatever they are grouped by."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

from watchfleet.db.tables import LEVELS
from watchfleet.metrics.accounts.levels import REPORTED_BY
from watchfleet.metrics.events import OUTCOMES
from watchfleet.model import Event

Key = TypeVar("Key", bound=tuple[Any, ...])

_NO_LEVEL: Final = (None, None)


class Report(NamedTuple):
    """An event, and the instant of it, exact to the microsecond as the store has it."""

    event: Event
    at: datetime


def reports(events: Iterable[Event]) -> list[Report]:
    """The events in the order of time."""
    found = [Report(event, datetime.fromtimestamp(event.ts, UTC)) for event in events]
    return sorted(found, key=lambda report: report.at)


@dataclass(slots=True)
class Tally:
    """Figures of some events, learnt in the order of time.

    Attributes:
        group: The group that was named last.
        seen_at: When the last event was.
        succeeded: Scrapes that succeeded.
        failed: Scrapes that failed.
        timed: Scrapes whose duration was told.
        duration: The sum of these, in seconds; a decimal, which adds up to the same in any order.
        content: Pieces of content that were found, likewise.
        last_success_at: When a scrape last succeeded.
        last_failure_at: When one last failed.
        last_failure_reason: Why.
        levels: The newest of each level, and when it was so.
    """

    group: str | None = None
    seen_at: datetime | None = None
    succeeded: int = 0
    failed: int = 0
    timed: int = 0
    duration: Decimal = Decimal(0)
    content: Decimal = Decimal(0)
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_failure_reason: str | None = None
    levels: dict[str, tuple[datetime, float]] = field(default_factory=dict)

    def learn(self, report: Report) -> None:
        """Take in the next event."""
        event, at = report
        self.group, self.seen_at = event.group or self.group, at
        if event.signal in OUTCOMES:
            self._end(event, at)
        elif event.signal in REPORTED_BY:
            self._measure(event, at)
        else:
            self.content += exact(event.fields.get("count", 1))

    def sums(self) -> tuple[int | Decimal, ...]:
        """What adds up, as `daily.SUMS` has it."""
        return self.succeeded, self.failed, self.timed, self.duration, self.content

    def columns_of_levels(self) -> Iterable[Any]:
        """As `levels.COLUMNS` has them."""
        for level in LEVELS:
            at, value = self.levels.get(level, _NO_LEVEL)
            yield value
            yield at

    def _end(self, event: Event, at: datetime) -> None:
        if OUTCOMES[event.signal] == "succeeded":
            self.succeeded, self.last_success_at = self.succeeded + 1, at
        else:
            self.failed, self.last_failure_at = self.failed + 1, at
            self.last_failure_reason = str(event.fields.get("reason", "unknown"))
        if "duration" in event.fields:
            self.timed += 1
            self.duration += exact(event.fields["duration"])

    def _measure(self, event: Event, at: datetime) -> None:
        for level in REPORTED_BY[event.signal]:
            if level in event.fields:
                found = (at, float(event.fields[level]))
                self.levels[level] = max(found, self.levels.get(level, found))


def tallies(found: Iterable[Report], key: Callable[[Report], Key]) -> Mapping[Key, Tally]:
    """The figures by key, in the keys' order: two batches with keys in common never wait for each other."""
    by_key: dict[Key, Tally] = {}
    for report in found:
        by_key.setdefault(key(report), Tally()).learn(report)
    return dict(sorted(by_key.items()))


def exact(value: Any) -> Decimal:
    """A number as it stands in JSON, whose sums do not depend on the order."""
    return Decimal(repr(value))
