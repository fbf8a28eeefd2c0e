"""Begin a new log file, whoever of several writers is first to find that it is time."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from watchfleet.logs.generations import stamped

_MICROSECOND: Final = 1e-6
_TRIES: Final = 100
_PATIENCE: Final = 50
_PAUSE: Final = 0.001


def rotate(path: Path, max_bytes: int) -> Path | None:
    """Rename a log file that has reached its size, so that every writer begins a new one.

    The lock is the file's own: of several writers one renames it. Writers look at the path before each line;
    what was on its way while the file was renamed is in the renamed file.

    Args:
        path: The live file.
        max_bytes: It stays as it is while it is smaller.

    Returns:
        The generation's path, or None when it was not the time, or another process was at it.

    Raises:
        OSError: It cannot be renamed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return _renamed(path, descriptor, max_bytes) if _locked(descriptor) else None
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Wait for the lock, but not for a process that was stopped while it held it."""
    for _ in range(_PATIENCE):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_PAUSE)
    return False


def _renamed(path: Path, descriptor: int, max_bytes: int) -> Path | None:
    own = os.fstat(descriptor)
    try:
        found = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # it was renamed while we waited, and nobody has begun a new one yet
    if not os.path.samestat(own, found) or found.st_size < max_bytes:
        return None
    now = time.time()
    for number in range(_TRIES):
        target = path.with_name(stamped(path.name, now + number * _MICROSECOND))
        if not os.path.lexists(target):  # the clock went back; nobody else makes such a name under our lock
            path.rename(target)
            return target
    return None
