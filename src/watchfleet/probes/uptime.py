"""Uptime: how much of a time a target served, weighed by time and not by checks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from watchfleet.model import Status

DAY: Final = timedelta(days=1)


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
    return filled({status: length.total_seconds() for status, length in lengths.items()}, end - start)


def filled(seconds: Mapping[Status, float], length: timedelta) -> Uptime:
    """The uptime within a time of some length, of which what is not accounted for is unknown."""
    rest = max(0.0, length.total_seconds() - sum(seconds.values()))
    return Uptime({**seconds, Status.UNKNOWN: seconds[Status.UNKNOWN] + rest})


def total(parts: Sequence[Uptime]) -> Uptime:
    """The uptime of times together, none of them overlapping."""
    return Uptime({status: sum(part.seconds[status] for part in parts) for status in Status})
