"""Keep log directories in bounds: delete what is over, compress the rest, tell what was done."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from watchfleet.logs import packing, retention
from watchfleet.logs.retention import Policy, Reason
from watchfleet.metrics.counters import Tally

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A directory of logs and what may stay there."""

    directory: Path
    policy: Policy


@dataclass(frozen=True, slots=True)
class Deleted:
    """A file that was deleted, or would be.

    Attributes:
        path: The file.
        reason: Which bound it was over.
        size: Its bytes.
        ended: Unix time of its last line.
    """

    path: Path
    reason: Reason
    size: int
    ended: float


@dataclass(frozen=True, slots=True)
class Packed:
    """A file that was compressed: its new path and its bytes before and after."""

    path: Path
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was done.

    Attributes:
        deleted: Files that are gone, the oldest first.
        packed: Files that were compressed.
        busy: Directories that another process was cleaning.
    """

    deleted: tuple[Deleted, ...]
    packed: tuple[Packed, ...]
    busy: tuple[Path, ...]

    def counts(self) -> Counter[str]:
        """How many files were deleted, by reason."""
        return Counter(one.reason for one in self.deleted)


def clean(places: Iterable[Place], *, dry_run: bool = False) -> Cleaned:
    """Delete and compress in each place.

    Args:
        places: Where, and what may stay.
        dry_run: Whether only to tell what would be deleted.
    """
    deleted: list[Deleted] = []
    packed: list[Packed] = []
    busy: list[Path] = []
    for place in places:
        with retention.locked(place.directory) as descriptor:
            if descriptor is None:
                busy += [place.directory] if place.directory.is_dir() else []
                continue
            gone = retention.prune_locked(descriptor, place.policy, dry_run=dry_run)
            made = [] if dry_run else packing.pack(descriptor, place.policy.numbered)
        deleted += [
            Deleted(place.directory / one.file.name, one.reason, one.file.size, one.file.ended)
            for one in gone
        ]
        packed += [Packed(place.directory / one.name, one.before, one.after) for one in made]
    if not dry_run:
        _tell(deleted)
    return Cleaned(tuple(deleted), tuple(packed), tuple(busy))


def count(connection: Connection, done: Cleaned) -> None:
    """Add what was deleted to the counters `watchfleet_log_files_deleted_total` and `_bytes_`."""
    tally = Tally()
    for one in done.deleted:
        tally.add("watchfleet_log_files_deleted_total", 1, {"reason": one.reason})
        tally.add("watchfleet_log_bytes_deleted_total", one.size, {"reason": one.reason})
    tally.save(connection)


def _tell(deleted: list[Deleted]) -> None:
    for one in deleted:
        log.info("deleted the log file %s for its %s: %d bytes", one.path, one.reason, one.size)
