"""What everybody may see of the public targets: read once for however many ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.model import Status
from watchfleet.probes import history
from watchfleet.probes.history import Interval
from watchfleet.probes.probe import Target
from watchfleet.probes.targets import get_targets
from watchfleet.probes.uptime import Uptime, daily, uptime
from watchfleet.web.snapshot import Snapshot

DAYS: Final = 90
FRESH: Final = 5.0
USABLE: Final = 30.0
PATIENCE: Final = 2.0
OTHERS: Final = ""
"""The group of targets that are in none."""
MOST_INCIDENTS: Final = 50


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


def read() -> Board:
    """The board as the store has it.

    Raises:
        StoreUnavailableError: The store is away.
    """
    now = utcnow()
    public = [target for target in get_targets() if target.public]
    first = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    known: dict[str, list[Interval]] = {}
    if public:
        with transaction() as connection:
            known = history.intervals(connection, first, now, [target.name for target in public])
    lines = [_line(target, known.get(target.name, []), first, now) for target in public]
    incidents = [one for some in known.values() for one in some if one.is_incident]
    newest = sorted(incidents, key=lambda one: one.start, reverse=True)[:MOST_INCIDENTS]
    return Board(now, first, sorted(lines, key=lambda one: one.name), newest)


def _line(target: Target, known: Sequence[Interval], first: datetime, now: datetime) -> Line:
    last = known[-1] if known and known[-1].is_open and known[-1].end >= now else None
    return Line(
        target.name,
        target.groups,
        last.status if last else Status.UNKNOWN,
        last.start if last else None,
        daily(known, first, DAYS),
        uptime(known, first, now),
    )


def snapshot() -> Snapshot[Board]:
    """Reads the board when somebody asks, and not more often than it changes."""
    return Snapshot(read, fresh=FRESH, usable=USABLE)
