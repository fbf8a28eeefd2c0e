"""Follow a log: what is added to it from a position on, across rotation and truncation."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from watchfleet.logs.errors import LogQueryError, NoSuchLogError
from watchfleet.logs.files import LogFile, LogRoot, named
from watchfleet.logs.filters import Filters
from watchfleet.logs.present import present
from watchfleet.logs.query import Query, Record
from watchfleet.logs.recognise import Head
from watchfleet.logs.records import LONGEST_LINE, Span, learn, lines
from watchfleet.logs.source import Source

_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file, which is known again when the file was renamed.

    Attributes:
        identity: The file, by device and inode.
        offset: Where the next byte is that was not told yet.
    """

    identity: str
    offset: int

    def __str__(self) -> str:
        return f"{self.identity}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` gives.

        Raises:
            LogQueryError: It is not that.
        """
        identity, _, offset = text.rpartition(":")
        if not identity or not offset.isdigit() or len(text) > 100:
            raise LogQueryError("Last-Event-ID", "it is none that this gave")
        return cls(identity, int(offset))


class Follower:
    """Yields what is added to a log.

    Args:
        root: Where the logs are.
        name: The file, as `files` lists it.
        level: This level and worse ones only; lines that continue a record go with it.
        position: Where to go on; None for what is added from now on.

    Raises:
        NoSuchLogError: There is no such file.
        LogQueryError: There is no such level.
    """

    def __init__(
        self, root: LogRoot, name: str, level: str | None = None, position: Position | None = None
    ) -> None:
        self._root, self._name = root, name
        self._filters = Filters.of(Query(level=level))
        self._passes = level is None
        self._descriptor = -1
        file = named(root, name)
        self._open(_renamed(root, file, position) or file)
        if position is None:
            self._at = self._end_of_lines()
        else:
            self._at = position.offset if position.identity == self._file.identity else 0

    @property
    def position(self) -> Position:
        """Up to where everything was told."""
        return Position(self._file.identity, self._at)

    def poll(self) -> Iterator[tuple[Position, Record]]:
        """What was added since the last call, each with the position after it."""
        yield from self._read()
        try:
            file = named(self._root, self._name)
        except NoSuchLogError:
            return
        if file.identity != self._file.identity:
            yield from self._read()  # what came before the rename and after our last look
            self._open(file)
            self._at = 0
            yield from self._read()
        elif self._size() < self._at:
            self._at = 0  # it was truncated
            yield from self._read()

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _open(self, file: LogFile) -> None:
        descriptor = self._root.open(file)
        self.close()
        self._file, self._descriptor = file, descriptor

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def _end_of_lines(self) -> int:
        """Where the last finished line ends: what follows it is told when it is finished, too."""
        source = Source(self._file, self._descriptor)
        return source.line_start(source.size)

    def _read(self) -> Iterator[tuple[Position, Record]]:
        source = Source(self._file, self._descriptor)
        log = learn(source)
        while data := _whole_lines(source.read(self._at, min(source.size, self._at + _CHUNK))):
            spans: list[Span] = []
            for offset, line in lines(data, self._at):
                head = log.head(line[:LONGEST_LINE])
                end = min(self._at + len(data), source.line_end(offset, len(data)))
                if head is None and spans:
                    spans[-1] = Span(spans[-1].start, end, spans[-1].head)
                else:
                    spans.append(Span(offset, end, head))
            for span in spans:
                self._at = span.end
                if self._is_wanted(span.head):
                    yield self.position, present(source, span, 0)

    def _is_wanted(self, head: Head | None) -> bool:
        if head is not None:
            self._passes = self._filters.by_head(head)
        return self._passes


def _whole_lines(data: bytes) -> bytes:
    """The finished lines; of a line that is longer than a chunk, that much of it."""
    return data if len(data) == _CHUNK and b"\n" not in data else data[: data.rfind(b"\n") + 1]


def _renamed(root: LogRoot, file: LogFile, position: Position | None) -> LogFile | None:
    """The file that a position means, if that is another one by now."""
    if position is None or position.identity == file.identity:
        return None
    return next((one for one in root.files() if one.identity == position.identity), None)
