"""Uptime: how much of a time a target served, weighed by time and not by checks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from watchfleet.model import Status


class Span(Protocol):
    """A time in which a target was of one status."""

    @property
    def status(self) -> Status:
        """What it was."""

    @property
    def start(self) -> datetime:
        """From when."""

    @property
    def end(self) -> datetime:
        """Until when."""


@dataclass(frozen=True, slots=True)
class Uptime:
    """How long a target was of each status within a time.

    Attributes:
        seconds: By status. What nobody knows is `unknown`: it counts neither for the target nor against it,
            and so does maintenance.
    """

    seconds: Mapping[Status, float]

    @property
    def ratio(self) -> float | None:
        """The share of the time that counts in which it served, slow or not; None if there is none."""
        served = self.seconds[Status.UP] + self.seconds[Status.DEGRADED]
        counted = served + self.seconds[Status.DOWN]
        return served / counted if counted else None

    def allowance(self, promised: float) -> float:
        """Seconds for which it may still be down, if the time that counts does not grow; negative if broken.

        Args:
            promised: The uptime that was promised, in percent.
        """
        down = self.seconds[Status.DOWN]
        counted = down + self.seconds[Status.UP] + self.seconds[Status.DEGRADED]
        return counted * (100 - promised) / 100 - down

    @property
    def worst(self) -> Status | None:
        """The worst that it was; None if nothing is known of it."""
        order = (Status.DOWN, Status.DEGRADED, Status.MAINTENANCE, Status.UP)
        return next((status for status in order if self.seconds[status]), None)


def daily(spans: Iterable[Span], first: datetime, days: int) -> list[Uptime]:
    """The uptime of each of some days that follow each other.

    Args:
        spans: When it was what, none of them overlapping.
        first: When the first day begins.
        days: How many.
    """
    day = timedelta(days=1)
    of_day: list[list[Span]] = [[] for _ in range(days)]
    for span in spans:
        begins, ends = (span.start - first) // day, -((first - span.end) // day)
        for place in range(max(0, begins), min(days, ends)):
            of_day[place].append(span)
    return [uptime(some, first + place * day, first + (place + 1) * day) for place, some in enumerate(of_day)]


def uptime(spans: Iterable[Span], start: datetime, end: datetime) -> Uptime:
    """How long a target was of each status between two times.

    Args:
        spans: When it was what, none of them overlapping.
        start: The beginning.
        end: The end; what lies in the future is unknown.
    """
    lengths = dict.fromkeys(Status, timedelta(0))
    for span in spans:
        lengths[span.status] += max(timedelta(0), min(span.end, end) - max(span.start, start))
    known = sum(lengths.values(), timedelta(0))
    lengths[Status.UNKNOWN] += max(timedelta(0), end - start - known)
    return Uptime({status: length.total_seconds() for status, length in lengths.items()})
