"""Find the part of a file that holds a span of time, by bisection where its lines are in order of time."""

from typing import Final

from watchfleet.logs.recognise import Log
from watchfleet.logs.records import LONGEST_LINE, lines
from watchfleet.logs.source import BLOCK, Source

_PROBES: Final = 24
_PROBED: Final = 32 * 1024
_SECOND: Final = 1_000_000
_MOST_DISORDER: Final = 5 * _SECOND
_STEP: Final = 8192


def time_after(source: Source, log: Log, offset: int, most: int = BLOCK) -> tuple[int, int] | None:
    """The first line from `offset` on that has a time: its offset and its time."""
    start = source.line_start(offset)
    if start < offset:
        start = source.line_end(offset)
    highest = min(source.size, start + most)
    at = start
    while at < highest:
        data = source.read(at, min(highest, at + _STEP))
        if not data:
            return None
        end = data.rfind(b"\n") + 1 or len(data)
        for where, line in lines(data[:end], at):
            head = log.head(line[:LONGEST_LINE])
            if head is not None and head.time is not None:
                return where, head.time
        at += end
    return None


def disorder(source: Source, log: Log) -> int | None:
    """By how many microseconds times go back in places that were looked at; None when bisection is no use.

    Looked at are points over the whole file, and stretches at its beginning, in its middle and at its end.
    """
    if not log.timed:
        return None
    worst, last = 0, 0
    for number in range(_PROBES):
        found = time_after(source, log, source.size * number // _PROBES)
        if found is None:
            return None
        worst, last = max(worst, last - found[1]), max(last, found[1])
    for start in (0, source.size // 2, max(0, source.size - _PROBED)):
        worst = max(worst, _disorder_of(source, log, start))
    return worst if worst <= _MOST_DISORDER else None


def part(source: Source, log: Log, start: int | None, end: int | None) -> tuple[int, int]:
    """Where the records of a span of time are: every one of them, and maybe others.

    Args:
        source: The file.
        log: How its lines are read.
        start: The first microsecond that is wanted; None for all before `end`.
        end: The first that is not; None for all from `start`.
    """
    if start is None and end is None:
        return 0, source.size
    slack = disorder(source, log)
    if slack is None:
        return 0, source.size
    slack += _SECOND
    first = 0 if start is None else _first_at(source, log, start - slack)
    last = source.size if end is None else _first_at(source, log, end + slack)
    return first, max(first, last)


def _first_at(source: Source, log: Log, time: int) -> int:
    """The offset before which every line is older."""
    low, high = 0, source.size
    while high - low > _STEP:
        middle = (low + high) // 2
        found = time_after(source, log, middle, high - middle)
        if found is None or found[1] >= time:
            high = middle
        else:
            low = found[0]
    at = low
    while (found := time_after(source, log, at)) is not None and found[1] < time:
        at = source.line_end(found[0])
    return at


def _disorder_of(source: Source, log: Log, start: int) -> int:
    start = source.line_start(start)
    worst, last = 0, 0
    for _, line in lines(source.read(start, start + _PROBED), start):
        head = log.head(line)
        if head is not None and head.time is not None:
            worst, last = max(worst, last - head.time), max(last, head.time)
    return worst
