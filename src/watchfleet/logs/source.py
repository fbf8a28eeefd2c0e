"""The bytes of one log file: read block by block into one buffer, packed ones unpacked first.

Nothing is mapped: a mapped file that is cut while it is read kills the process. A read of what is not there
any more gives nothing, and that is the end.
"""

import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, cast

from isal import isal_zlib

from watchfleet.logs.files import LogFile, LogRoot

BLOCK: Final = 256 * 1024
"""Bytes that are searched at once; a longer line is searched in pieces."""
OVERLAP: Final = 4096
"""How far the pieces of a longer line overlap."""
MOST_UNPACKED: Final = 4 * 1024**3
_PACKED: Final = 128 * 1024
_GZIP: Final = 31
_DAMAGES: Final[tuple[type[Exception], ...]] = (cast("type[Exception]", isal_zlib.error), zlib.error)


class Source:
    """An open log file.

    Attributes:
        file: Which one.
        size: How many bytes of it are looked at: what it had when it was opened.
        buffer: What was read last; made at the first read where none was given.
        damaged: Why a packed one could be read in part only; empty if it was whole.
    """

    def __init__(
        self, file: LogFile, descriptor: int, damaged: str = "", buffer: bytearray | None = None
    ) -> None:
        self.file, self.damaged = file, damaged
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self.buffer = bytearray() if buffer is None else buffer

    def fill(self, start: int, end: int) -> int:
        """Read `[start, end)` into the buffer, a block at most; returns how many bytes there were."""
        if not self.buffer:
            self.buffer = bytearray(BLOCK)
        wanted = min(end - start, BLOCK)
        return os.preadv(self._descriptor, [memoryview(self.buffer)[:wanted]], start) if wanted > 0 else 0

    def read(self, start: int, end: int) -> bytes:
        """The bytes of `[start, end)`, or fewer where the file ends."""
        return os.pread(self._descriptor, max(0, end - start), start)

    def line_start(self, offset: int, most: int = BLOCK) -> int:
        """Where the line that holds `offset` begins, looking back `most` bytes."""
        lowest = max(0, offset - most)
        at = offset
        while at > lowest:
            start = max(lowest, at - 4096)
            found = self.read(start, at).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            at = start
        return lowest

    def line_end(self, offset: int, most: int = BLOCK) -> int:
        """Where the line that holds `offset` ends, its line end included, looking on for `most` bytes."""
        highest = min(self.size, offset + most)
        at = offset
        while at < highest:
            end = min(highest, at + 4096)
            data = self.read(at, end)
            found = data.find(b"\n")
            if found >= 0:
                return at + found + 1
            if not data:
                break
            at += len(data)
        return max(at, offset)


@contextmanager
def opened(root: LogRoot, file: LogFile, buffer: bytearray | None = None) -> Iterator[Source]:
    """Open a log file; a packed one is unpacked into a file without a name, which ends with the block.

    Args:
        root: Where the logs are.
        file: Which one.
        buffer: What to read into, of `BLOCK` bytes; several sources may share one that take turns.

    Raises:
        NoSuchLogError: It is gone.
    """
    descriptor = root.open(file)
    try:
        if not file.packed:
            yield Source(file, descriptor, buffer=buffer)
            return
        with tempfile.TemporaryFile(prefix="watchfleet-log-") as plain:
            damaged = unpack(descriptor, plain)
            yield Source(file, plain.fileno(), damaged, buffer)
    finally:
        os.close(descriptor)


def unpack(descriptor: int, plain: IO[bytes], most: int = MOST_UNPACKED) -> str:
    """Unpack gzip, one member after the other, as far as it is whole.

    Args:
        descriptor: The packed file.
        plain: Where to.
        most: Bytes after which it stops.

    Returns:
        Why it stopped before the end; empty if it did not.
    """
    try:
        return _unpack(descriptor, plain, most)
    except _DAMAGES as error:
        return f"it is damaged: {error}"
    finally:
        plain.flush()


def _unpack(descriptor: int, plain: IO[bytes], most: int) -> str:
    engine = isal_zlib.decompressobj(wbits=_GZIP)
    at = written = 0
    rest, whole = b"", True
    while data := rest or os.pread(descriptor, _PACKED, at):
        at += 0 if rest else len(data)
        written += plain.write(engine.decompress(data, BLOCK))
        if written >= most:
            return f"it is longer than {most} bytes"
        rest, whole = engine.unconsumed_tail, engine.eof
        if whole:  # another member may follow, or zeros that tape drives add
            rest, engine = engine.unused_data.lstrip(b"\0"), isal_zlib.decompressobj(wbits=_GZIP)
    if whole:
        return ""
    plain.write(engine.flush())
    return "it ends in the middle"
