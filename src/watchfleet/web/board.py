"""What everybody may see of the public targets: read once for however many ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.model import Status
from watchfleet.probes import history
from watchfleet.probes.history import Interval
from watchfleet.probes.probe import Target
from watchfleet.probes.targets import get_targets
from watchfleet.probes.uptime import DAY, Uptime, total
from watchfleet.web.snapshot import Snapshot

DAYS: Final = 90
FRESH: Final = 5.0
USABLE: Final = 30.0
PATIENCE: Final = 2.0
OTHERS: Final = ""
"""The group of targets that are in none."""
MOST_INCIDENTS: Final = 50
DAYS_OVER_KEPT: Final = timedelta(minutes=5)
"""How long what was read of the days before today is shown: late results change the last of them at most."""


@dataclass(frozen=True, slots=True)
class Line:
    """A target on the board.

    Attributes:
        name: Its name.
        groups: Its groups.
        status: Its status now; unknown when nobody looked lately.
        since: Since when; None if nothing is known.
        days: Its uptime on each of the last days, today last.
        whole: Its uptime over all of them.
    """

    name: str
    groups: tuple[str, ...]
    status: Status
    since: datetime | None
    days: Sequence[Uptime]
    whole: Uptime


@dataclass(frozen=True, slots=True)
class Board:
    """The public targets at one moment.

    Attributes:
        at: When they were read.
        first: When the first of the days begins.
        lines: A line for each.
        incidents: When one of them was down or degraded, the newest first; so many at most.
    """

    at: datetime
    first: datetime
    lines: Sequence[Line]
    incidents: Sequence[Interval]

    @property
    def worst(self) -> Status:
        """The worst status of all; up if there are none."""
        order = (Status.DOWN, Status.DEGRADED, Status.UNKNOWN, Status.MAINTENANCE)
        return next(
            (status for status in order if any(one.status is status for one in self.lines)), Status.UP
        )

    def line(self, name: str) -> Line | None:
        """The line of a target; None if it is not public."""
        return next((one for one in self.lines if one.name == name), None)

    def by_group(self) -> Mapping[str, Sequence[Line]]:
        """The lines of each group, those in none last."""
        names = sorted({group for one in self.lines for group in one.groups})
        found = {group: [one for one in self.lines if group in one.groups] for group in names}
        rest = [one for one in self.lines if not one.groups]
        return {**found, **({OTHERS: rest} if rest else {})}


class Reader:
    """Reads the board; of the days that are over only now and then, as they hardly change any more."""

    def __init__(self) -> None:
        self._past: _Past | None = None

    def read(self) -> Board:
        """The board as the store has it.

        Raises:
            StoreUnavailableError: The store is away.
        """
        now = utcnow()
        public = sorted((target for target in get_targets() if target.public), key=lambda one: one.name)
        names = [target.name for target in public]
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        first = today - (DAYS - 1) * DAY
        with transaction() as connection:
            past = self._days_over(connection, first, now, names)
            days = history.daily(connection, today, 1, now, names)
            present = history.intervals(connection, now, now, names)
            newest = history.incidents(connection, first, now, names, MOST_INCIDENTS)
        lines = [
            _line(target, present.get(target.name, ()), [*past[target.name], *days[target.name]], now)
            for target in public
        ]
        return Board(now, first, lines, newest)

    def _days_over(
        self, connection: Connection, first: datetime, now: datetime, names: Sequence[str]
    ) -> Mapping[str, Sequence[Uptime]]:
        if self._past is None or not self._past.serves(first, now, names):
            self._past = _Past(now, first, names, history.daily(connection, first, DAYS - 1, now, names))
        return self._past.days


@dataclass(frozen=True, slots=True)
class _Past:
    """The days before today, as they were read at some time."""

    at: datetime
    first: datetime
    names: Sequence[str]
    days: Mapping[str, Sequence[Uptime]]

    def serves(self, first: datetime, now: datetime, names: Sequence[str]) -> bool:
        return (self.first, self.names) == (first, names) and now - self.at < DAYS_OVER_KEPT


def _line(target: Target, present: Sequence[Interval], days: Sequence[Uptime], now: datetime) -> Line:
    last = next((one for one in present if one.is_open and one.end >= now), None)
    return Line(
        target.name,
        target.groups,
        last.status if last else Status.UNKNOWN,
        last.start if last else None,
        days,
        total(days),
    )


def snapshot() -> Snapshot[Board]:
    """Reads the board when somebody asks, and not more often than it changes."""
    return Snapshot(Reader().read, fresh=FRESH, usable=USABLE)
