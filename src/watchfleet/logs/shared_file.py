"""A log file that any number of processes write: no line is lost, none is torn."""

import logging
import os
import sys
from pathlib import Path
from typing import Final

from watchfleet.logs.options import LogOptions
from watchfleet.logs.retention import Policy, prune
from watchfleet.logs.rotation import rotate

_MODE: Final = 0o640
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class SharedFile(logging.Handler):
    """Appends each record in one write, after a look whether the path still leads to the same file.

    So it goes with a rotation by this process, by another one or by logrotate.

    Args:
        path: The file; its folder is there.
        options: When it is rotated and what is kept; None when somebody else sees to that.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path, options: LogOptions | None) -> None:
        super().__init__()
        self._path, self._options = path, options
        self._descriptor: int | None = None
        self._identity = (-1, -1)
        self._complained = False
        self._size()
        self._prune()

    def emit(self, record: logging.LogRecord) -> None:
        """Append a record."""
        try:
            line = f"{self.format(record)}\n".encode(errors="backslashreplace")
            if self._options is not None and self._size() + len(line) > self._options.max_bytes:
                self._rotate(self._options, len(line))
            self._size()
            self._append(line)
        except Exception:  # noqa: BLE001 - as every handler of the standard library: logging breaks no program
            self.handleError(record)

    def close(self) -> None:
        """Let go of the file."""
        self.acquire()
        try:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None
        finally:
            self.release()
        super().close()

    def _size(self) -> int:
        """How large the file at the path is, which is open afterwards."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            found = None
        if found is None or self._descriptor is None or (found.st_dev, found.st_ino) != self._identity:
            found = self._reopen()
        return found.st_size

    def _reopen(self) -> os.stat_result:
        opened = os.open(self._path, _FLAGS, _MODE)
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = opened
        found = os.fstat(opened)
        self._identity = (found.st_dev, found.st_ino)
        return found

    def _append(self, line: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101 - `_size` opened it
        rest = memoryview(line)
        while rest:  # a full disk or a signal may take only a part of it
            rest = rest[os.write(self._descriptor, rest) :]

    def _rotate(self, options: LogOptions, coming: int) -> None:
        """Begin a new file, unless that leaves an empty one: a line may be longer than a file should be."""
        try:
            if rotate(self._path, max(1, options.max_bytes - coming)) is not None:
                self._prune()
        except OSError as error:  # a line is worth more than a bound
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            sys.stderr.write(f"{self._path} grows past its size: it cannot be rotated: {error.strerror}\n")
        self._complained = True

    def _prune(self) -> None:
        if self._options is not None:
            prune(self._path.parent, Policy.of(self._options), self._path.name)
