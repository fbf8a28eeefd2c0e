"""Go through one file, in either direction, and yield the records that a question is about."""

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import re2  # type: ignore[import-untyped]  # no type information is published for google-re2

from watchfleet.logs import levels, seek
from watchfleet.logs.filters import Filters
from watchfleet.logs.match import Every, Matcher, Pattern
from watchfleet.logs.recognise import Json, Log, Plain, Text
from watchfleet.logs.records import Span, record_of
from watchfleet.logs.source import BLOCK, OVERLAP, Source

_NUMBERED: Final = r'"(?:level|s|priority|severity)"\s*:\s*"?[0-9FEWAC]'
"""Levels of JSON lines that are no words."""


class Budget:
    """What a question may cost.

    Args:
        seconds: How long it may take.

    Attributes:
        scanned: Bytes that were looked at.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.scanned = 0

    def spend(self, count: int) -> None:
        """Count bytes that were looked at.

        Raises:
            DeadlineError: The time is over.
        """
        self.scanned += count
        if time.monotonic() > self._end:
            raise DeadlineError


class DeadlineError(Exception):
    """The time for a question is over."""


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of a file that are gone through."""

    start: int
    end: int


def blocks(source: Source, part: Part, budget: Budget, *, backward: bool) -> Iterator[tuple[int, int]]:
    """Fill the source's buffer with block after block of whole lines.

    A line that is longer than a block comes in pieces that overlap.

    Yields:
        The offset of the buffer's first byte in the file, and how many bytes of it count.
    """
    step = _backward if backward else _forward
    at = part.end if backward else part.start
    while part.start < at if backward else at < part.end:
        offset, length, at = step(source, part, at)
        if length <= 0:
            return
        yield offset, length
        budget.spend(length)


def _forward(source: Source, part: Part, at: int) -> tuple[int, int, int]:
    length = source.fill(at, part.end)
    if at + length >= part.end:
        return at, length, part.end
    whole = source.buffer.rfind(b"\n", 0, length) + 1
    return (at, whole, at + whole) if whole else (at, length, at + max(1, length - OVERLAP))


def _backward(source: Source, part: Part, at: int) -> tuple[int, int, int]:
    start = max(part.start, at - BLOCK)
    length = source.fill(start, at)
    if start == part.start or length <= 0:
        return start, length, part.start
    first = source.buffer.find(b"\n", 0, length) + 1
    if not 0 < first < length:
        return start, length, start + min(OVERLAP, length - 1)
    source.buffer[: length - first] = source.buffer[first:length]
    return start + first, length - first, start + first


def candidates(log: Log, filters: Filters) -> Matcher:
    """What finds the lines that may be of interest, and as few others as can be told in advance."""
    if not isinstance(filters.matcher, Every):
        return filters.matcher
    needles = filters.needles()
    if needles:
        return Pattern("|".join(re2.escape(one) for one in needles), ignore_case=False)
    if filters.level is not None and _by_words(log):
        words = "|".join([*levels.words_of(filters.level), _NUMBERED])
        return Pattern(words, ignore_case=True)
    return filters.matcher


def found(
    source: Source, log: Log, filters: Filters, part: Part, budget: Budget, *, backward: bool
) -> Iterator[Span]:
    """The records of a part of a file that pass the filters, in the file's order or against it."""
    matcher, last = candidates(log, filters), -1
    for offset, length in blocks(source, part, budget, backward=backward):
        # Others read into the same buffer before we are asked for the next record.
        lines = array("I", chain.from_iterable(matcher.spans(source.buffer, length)))
        for index in range(len(lines) - 2, -1, -2) if backward else range(0, len(lines), 2):
            start, end = lines[index], lines[index + 1]
            if _within(last, offset + start, backward=backward):
                continue
            # A block begins with a line, or with a piece of a longer one.
            line = offset + start if start else source.line_start(offset)
            span = record_of(source, log, line, offset + end)
            last = span.start if backward else span.end
            if filters.pass_(source, span):
                yield span


def _within(last: int, offset: int, *, backward: bool) -> bool:
    """Whether a line belongs to the record that was looked at last."""
    return last >= 0 and (offset >= last if backward else offset < last)


def _by_words(log: Log) -> bool:
    """Whether every format writes its level as a word that can be looked for."""
    return bool(log.formats) and all(
        isinstance(one, Json) or (isinstance(one, Text | Plain) and one.slot is not None and one.slot.words)
        for one in log.formats
    )


def part_of(source: Source, log: Log, filters: Filters) -> Part:
    """The part of a file that holds what the filters let through by its time."""
    return Part(*seek.part(source, log, filters.start, filters.end))
