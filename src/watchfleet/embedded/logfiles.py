"""The processes' log files: their last lines, and what is added to them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

_BLOCK: Final = 64 * 1024


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log file, from the generation before it too when it was rotated just now."""
    found = _tail(path, count)
    if len(found) < count:
        found = _tail(path.with_name(f"{path.name}.1"), count - len(found)) + found
    return found


class Follower:
    """Yields what is written to a log file from now on, across rotation.

    Args:
        path: The file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._rest = b""
        self._open(at_end=True)

    def new_lines(self) -> Iterator[str]:
        """The lines that were finished since the last call."""
        yield from self._read()
        if self._was_rotated():
            yield from self._read()  # what came between the first read and the rotation
            self._open(at_end=False)
            yield from self._read()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _open(self, *, at_end: bool) -> None:
        self.close()
        try:
            self._file = self._path.open("rb")
        except OSError:
            self._file = None
        else:
            self._file.seek(0, os.SEEK_END if at_end else os.SEEK_SET)

    def _was_rotated(self) -> bool:
        try:
            found = self._path.stat()
        except OSError:
            return False
        if self._file is None:
            return True
        own = os.fstat(self._file.fileno())
        return found.st_ino != own.st_ino or found.st_size < self._file.tell()

    def _read(self) -> Iterator[str]:
        if self._file is None:
            return
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")


def _tail(path: Path, count: int) -> list[str]:
    """Read blocks from the end until they hold enough lines."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            held = b""
            while end > 0 and held.count(b"\n") <= count:
                start = max(0, end - _BLOCK)
                file.seek(start)
                held = file.read(end - start) + held
                end = start
    except OSError:
        return []
    return [line.decode(errors="replace") for line in held.splitlines()[-count:]] if count > 0 else []
