"""One file of a spool while it is written."""

import os
from pathlib import Path
from typing import Final

from watchfleet.instrument.buffer import MOST_ROWS

MOST_BYTES: Final = 1 << 20
"""A file that is larger is full; one with as many rows as a batch may have, too."""
ROWS: Final = ".rows"


class SpoolFile:
    """Takes lines, each by one write of the system.

    Args:
        path: Where; there must be no such file.

    Attributes:
        path: The same.
        rows: How many lines are in it.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.rows, self._bytes = path, 0, 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)

    @property
    def full(self) -> bool:
        """Whether no line should be added."""
        return self.rows >= MOST_ROWS or self._bytes >= MOST_BYTES

    def write(self, line: bytes) -> None:
        """Append a line.

        Raises:
            OSError: It could not be written whole; the file is as it was before.
        """
        written = os.write(self._descriptor, line)
        if written < len(line):
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise OSError("the disk is full")
        self.rows += 1
        self._bytes += written

    def close(self) -> None:
        """Add no more."""
        # A signal handler may close it while the interrupted code is about to write: not into another file.
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
