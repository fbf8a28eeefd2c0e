"""A record: the line that has the time and the level, and those that continue it, such as a traceback."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Final

from watchfleet.logs.recognise import Format, Head, Log, recognise
from watchfleet.logs.source import BLOCK, Source

LONGEST_LINE: Final = 64 * 1024
"""So much of a line is looked at for its time and level."""
_SAMPLE_LINES: Final = 200
_NAMED: Final = 512
_MOST_LEARNT: Final = 512
_learnt: dict[tuple[int, int, bytes], tuple[Format, ...]] = {}
_lock = Lock()
_STEPS: Final = (4096, 32 * 1024, BLOCK)
"""How far is looked for a record's first line, and for the next record's, step by step."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a record is in its file.

    Attributes:
        start: The offset of its first byte.
        end: That of the first byte after it, its last line end included.
        head: What its first line says; None for lines that continue nothing.
    """

    start: int
    end: int
    head: Head | None


def learn(source: Source) -> Log:
    """How a file's lines are read, learnt from its beginning, once for each file that has enough of it."""
    data = source.read(0, BLOCK)
    name = (source.file.device, source.file.inode, data[:_NAMED])
    with _lock:
        formats = _learnt.get(name)
    if formats is None:
        formats = recognise(_sample(data), source.file.modified).formats
        if len(data) == BLOCK:  # what comes later changes nothing
            _remember(name, formats)
    return Log(formats, source.file.modified)


def _sample(data: bytes) -> list[bytes]:
    found = data.split(b"\n")
    if len(data) == BLOCK and len(found) > 1:
        found.pop()  # cut in the middle
    return [line[:LONGEST_LINE].rstrip(b"\r") for line in found[:_SAMPLE_LINES]]


def _remember(name: tuple[int, int, bytes], formats: tuple[Format, ...]) -> None:
    with _lock:
        if len(_learnt) >= _MOST_LEARNT:
            _learnt.clear()
        _learnt[name] = formats


def head_at(source: Source, log: Log, start: int, end: int) -> Head | None:
    """What the line of `[start, end)` says."""
    return log.head(source.read(start, min(end, start + LONGEST_LINE)).rstrip(b"\r\n"))


def record_of(source: Source, log: Log, start: int, end: int) -> Span:
    """The record that holds the line of `[start, end)`."""
    head = head_at(source, log, start, end)
    if not log.formats:
        return Span(start, min(source.size, end + 1), head)
    if head is None:
        start, head = _above(source, log, start)
    return Span(start, _below(source, log, min(source.size, end + 1)), head)


def lines(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """The lines of some bytes, each with its offset in the file."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            end = len(data)
        yield offset + at, data[at:end].rstrip(b"\r")
        at = end + 1


def _above(source: Source, log: Log, start: int) -> tuple[int, Head | None]:
    """The first line of the record that a line continues."""
    lowest = start
    for step in _STEPS:
        lowest = max(0, start - step)
        data = source.read(lowest, start)
        skipped = data.find(b"\n") + 1 if lowest else 0
        found = list(lines(data[skipped:], lowest + skipped))
        for offset, line in reversed(found):
            head = log.head(line[:LONGEST_LINE])
            if head is not None:
                return offset, head
        if lowest == 0:
            break
    return start if lowest else 0, None


def _below(source: Source, log: Log, start: int) -> int:
    """Where the record ends whose lines go on at `start`."""
    end = start
    for step in _STEPS:
        limit = min(source.size, start + step)
        data = source.read(start, limit)
        for offset, line in lines(data, start):
            if log.head(line[:LONGEST_LINE]) is not None:
                return offset
        end = start + len(data)
        if limit == source.size:
            break
    return end
