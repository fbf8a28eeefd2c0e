"""How long rotated log files stay: too old, too many, too large together; and packing those that stay.

Only names of ours that are regular files of the directory itself are looked at, through the directory's
descriptor, and never a live file, nor one that a process still has open for writing.
"""

import fcntl
import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, Self

from watchfleet.clock import utcnow
from watchfleet.logs.generations import Generation, generation
from watchfleet.logs.options import LogOptions

Reason = Literal["age", "count", "total_size"]
_MOST_NAMES: Final = 100_000
"""So many names of one directory are looked at."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What may stay.

    Attributes:
        max_age: Since a generation's last line.
        generations: Of one log.
        max_total_bytes: Of all generations together.
        numbered: The live files whose generations supervisord numbers.
    """

    max_age: timedelta
    generations: int
    max_total_bytes: int
    numbered: frozenset[str] = frozenset()

    @classmethod
    def of(cls, options: LogOptions, numbered: Iterable[str] = ()) -> Self:
        """What the settings say."""
        return cls(options.max_age, options.generations, options.max_total_bytes, frozenset(numbered))


@dataclass(frozen=True, slots=True)
class Kept:
    """A generation in the directory.

    Attributes:
        name: The file's name.
        generation: What the name says.
        size: Its bytes.
        ended: Unix time of its last line.
        inode: By which it is known again.
    """

    name: str
    generation: Generation
    size: int
    ended: float
    inode: int


@dataclass(frozen=True, slots=True)
class Deletion:
    """A file that goes, and why."""

    file: Kept
    reason: Reason


def plan(found: Iterable[Kept], policy: Policy, now: float) -> list[Deletion]:
    """Which generations go: first by age, then by count, then by total size, the oldest first."""
    going: list[Deletion] = []
    staying: list[Kept] = []
    for file in sorted(found, key=lambda one: (one.ended, one.name), reverse=True):
        if file.ended < now - policy.max_age.total_seconds():
            going.append(Deletion(file, "age"))
        else:
            staying.append(file)
    counts: dict[str, int] = defaultdict(int)
    total = 0
    for file in staying:
        counts[file.generation.live] += 1
        if counts[file.generation.live] > policy.generations:
            going.append(Deletion(file, "count"))
            continue
        total += file.size
        if total > policy.max_total_bytes:
            going.append(Deletion(file, "total_size"))
    return sorted(going, key=lambda one: (one.file.ended, one.file.name))


def prune(directory: Path, policy: Policy, only: str) -> list[Deletion]:
    """Delete what goes of one log's generations; nothing when another process is at it.

    Args:
        directory: Where the log is.
        policy: What may stay.
        only: The live file's name.
    """
    with locked(directory) as descriptor:
        return [] if descriptor is None else prune_locked(descriptor, policy, only=only)


def prune_locked(
    directory: int, policy: Policy, *, only: str | None = None, dry_run: bool = False
) -> list[Deletion]:
    """Delete what goes by the policy.

    Args:
        directory: The descriptor that `locked` gave.
        policy: What may stay.
        only: The one live file whose generations are looked at; None for all.
        dry_run: Whether to tell only what would be deleted.

    Returns:
        What was deleted, the oldest first.
    """
    found = [file for file in kept(directory, policy.numbered) if only in {None, file.generation.live}]
    going = [one for one in plan(found, policy, utcnow().timestamp()) if not _is_open(directory, one.file)]
    return going if dry_run else [one for one in going if _unlinked(directory, one.file)]


@contextmanager
def locked(directory: Path) -> Iterator[int | None]:
    """Hold the directory's lock and yield its descriptor; None when there is none or another holds it."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def kept(directory: int, numbered: Collection[str]) -> list[Kept]:
    """The generations in a directory, of which the descriptor is given."""
    found = []
    with os.scandir(directory) as entries:
        for _, entry in zip(range(_MOST_NAMES), entries, strict=False):
            one = generation(entry.name, numbered)
            if one is None:
                continue
            with suppress(FileNotFoundError):
                facts = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(facts.st_mode):
                    found.append(Kept(entry.name, one, facts.st_size, facts.st_mtime, facts.st_ino))
    return found


def open_kept(directory: int, file: Kept) -> int | None:
    """A descriptor of a generation for reading; None if it is another file by now, or none."""
    try:
        opened = os.open(
            file.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory
        )
    except OSError:
        return None
    if os.fstat(opened).st_ino == file.inode:
        return opened
    os.close(opened)
    return None


def is_written(descriptor: int) -> bool:
    """Whether any process has the file open for writing, as far as the system tells."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without leases, or another user's file
    return False


def _is_open(directory: int, file: Kept) -> bool:
    opened = open_kept(directory, file)
    if opened is None:
        return False
    try:
        return is_written(opened)
    finally:
        os.close(opened)


def _unlinked(directory: int, file: Kept) -> bool:
    """Delete a file, if its name still means the same one."""
    try:
        if os.stat(file.name, dir_fd=directory, follow_symlinks=False).st_ino != file.inode:
            return False
        os.unlink(file.name, dir_fd=directory)
    except OSError:
        return False
    return True
