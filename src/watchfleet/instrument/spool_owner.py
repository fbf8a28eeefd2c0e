"""Whose a spool's files are: a lock for each process, which the system frees when the process dies."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

from watchfleet.instrument.spool_file import ROWS

LOCK: Final = ".lock"
_TRIES: Final = 10
_NAME: Final = 32
"""The length of an owner's name, with which its files' names begin."""


class Owner:
    """A lock that this process holds: its own, or that of a dead one.

    Args:
        path: The lock file.
        descriptor: It, open and locked.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self.name = path.stem

    def files(self) -> list[Path]:
        """Its files, the oldest first."""
        return sorted(self._path.parent.glob(f"{self.name}-*{ROWS}"))

    def give_up(self, *, empty: bool) -> None:
        """Free the lock, and delete it if it has no files any more."""
        if empty:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def forget(self) -> None:
        """Leave the lock to the parent: closing a copy of the descriptor does not free it."""
        os.close(self._descriptor)


def claim(folder: Path) -> Owner:
    """A new owner in a folder, which is made if it is not there.

    Raises:
        OSError: The folder cannot be written to.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for _ in range(_TRIES):
        owner = _lock(folder / f"{uuid4().hex}{LOCK}")
        if owner is not None:
            return owner
    raise OSError("no lock is to be had")


def dead(folder: Path, own: Owner | None) -> Iterator[Owner]:
    """Every owner in a folder whose process is dead, with its lock taken over."""
    try:
        names = {path.name[:_NAME] for path in folder.iterdir() if path.suffix in {ROWS, LOCK}}
        for name in sorted(names - {own.name if own else ""}):
            owner = _lock(folder / f"{name}{LOCK}")
            if owner is not None:
                yield owner
    except OSError:  # a folder that is not there, or not ours, holds nothing for us
        return


def _lock(path: Path) -> Owner | None:
    """The lock of that name; None if another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it may have deleted the file in between: then it is the lock of nothing.
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return Owner(path, descriptor)
    except OSError:
        pass
    os.close(descriptor)
    return None
