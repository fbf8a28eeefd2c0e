"""Search log files: several merged by time, the newest or the oldest records first.

root = LogRoot(Path("/var/log/app"))
answer = search(root, Query(level="ERROR", limit=100))
"""

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from watchfleet.logs.errors import NoSuchLogError
from watchfleet.logs.files import LogFile, LogRoot, renamed
from watchfleet.logs.filters import Filters
from watchfleet.logs.present import present
from watchfleet.logs.query import Answer, Cursor, Query, Record
from watchfleet.logs.records import Span, learn
from watchfleet.logs.scan import Budget, DeadlineError, Part, blocks, found, part_of
from watchfleet.logs.source import BLOCK, Source, opened

SECONDS: Final = 20.0
"""How long a search may take."""
MOST_BYTES: Final = 8 * 1024 * 1024
"""How long the texts of an answer may be together."""
_MICRO: Final = 1_000_000
_AHEAD: Final = 15 * 3600
"""A local time without a zone is so many seconds ahead of UTC at most."""


class _Stream:
    """One file's records, in the order of the answer."""

    def __init__(self, source: Source, spans: Iterator[Span], closing: ExitStack, *, backward: bool) -> None:
        self.source, self.closing = source, closing
        self._spans, self._backward = spans, backward
        self._key: int | None = None
        self.current: Span | None = None

    @property
    def key(self) -> int:
        """The current record's place in the merge: its time, but never against the order."""
        return self._key or 0

    def advance(self) -> bool:
        """Go to the next record; False when there is none."""
        self.current = next(self._spans, None)
        if self.current is None:
            return False
        head = self.current.head
        time = head.time if head is not None and head.time is not None else self._key
        if time is None:
            time = int(self.source.file.modified * _MICRO)
        last = time if self._key is None else self._key
        self._key = min(last, time) if self._backward else max(last, time)
        return True


class _Merge:
    """The streams of several files, each begun only when its records may be next."""

    def __init__(
        self, root: LogRoot, query: Query, filters: Filters, budget: Budget, stack: ExitStack
    ) -> None:
        self._root, self._query, self._filters, self._budget = root, query, filters, budget
        self._stack, self._buffer = stack, bytearray(BLOCK)
        self._backward = query.newest_first
        self._waiting = self._ordered(root.chosen(query.files))
        self._heap: list[tuple[int, int, _Stream]] = []
        self.notes: list[str] = []
        self.begun = 0

    def _ordered(self, files: list[LogFile]) -> list[LogFile]:
        """The last to be begun first."""
        return sorted(files, key=lambda file: (file.modified, file.name), reverse=not self._backward)

    def next(self) -> _Stream | None:
        """The stream whose current record comes next; None when there is no more."""
        while self._waiting and self._may_precede(self._waiting[-1]):
            self._begin(self._waiting.pop())
        return self._heap[0][2] if self._heap else None

    def advance(self) -> None:
        """Leave that record behind."""
        _, number, stream = self._heap[0]
        if stream.advance():
            heapq.heapreplace(self._heap, (self._rank(stream), number, stream))
        else:
            heapq.heappop(self._heap)
            stream.closing.close()

    def _may_precede(self, file: LogFile) -> bool:
        """Whether a file that was last changed then may hold a record before those that are known."""
        if not self._heap:
            return True
        if not self._backward:
            return True  # a file may be as old as it likes
        return (file.modified + _AHEAD) * _MICRO >= self._heap[0][2].key

    def _begin(self, file: LogFile) -> None:
        if self._filters.start is not None and (file.modified + _AHEAD) * _MICRO < self._filters.start:
            return  # all of it is older
        closing = self._stack.enter_context(ExitStack())
        source = self._source(file, closing)
        if source is None:
            return
        if source.damaged:
            self.notes.append(f"{file.name}: {source.damaged}; what is whole was read")
        self.begun += 1
        stream = self._stream(source, closing)
        if stream.advance():
            heapq.heappush(self._heap, (self._rank(stream), self.begun, stream))
        else:
            closing.close()

    def _source(self, file: LogFile, closing: ExitStack) -> Source | None:
        """Open a file, under another name if it was rotated since it was listed."""
        try:
            return closing.enter_context(opened(self._root, file, self._buffer))
        except NoSuchLogError as error:
            found_again = renamed(self._root, file)
            if found_again is None or found_again.name == file.name:
                self.notes.append(str(error))
                return None
        return self._source(found_again, closing)

    def _stream(self, source: Source, closing: ExitStack) -> _Stream:
        log = learn(source)
        part = self._left(source, part_of(source, log, self._filters))
        spans = found(source, log, self._filters, part, self._budget, backward=self._backward)
        cursor = self._query.cursor
        if cursor is not None and source.file.identity not in cursor.offsets:
            spans = (span for span in spans if self._is_left(span, cursor))
        return _Stream(source, spans, closing, backward=self._backward)

    def _left(self, source: Source, part: Part) -> Part:
        """What the cursor leaves of a part."""
        cursor = self._query.cursor
        at = cursor.offsets.get(source.file.identity) if cursor else None
        if at is None:
            return part
        if self._backward:
            return Part(part.start, max(part.start, min(part.end, at)))
        return Part(min(part.end, max(part.start, at)), part.end)

    def _is_left(self, span: Span, cursor: Cursor) -> bool:
        time = span.head.time if span.head else None
        if time is None:
            return True
        return time <= cursor.key if self._backward else time >= cursor.key

    def _rank(self, stream: _Stream) -> int:
        return -stream.key if self._backward else stream.key


def search(root: LogRoot, query: Query, *, seconds: float = SECONDS) -> Answer:
    """Answer a question.

    Args:
        root: Where the logs are.
        query: What is asked for.
        seconds: After which the answer is what was found until then.

    Raises:
        LogQueryError: The question cannot be answered as it is.
        NoSuchLogError: A name or a pattern fits no file.
    """
    filters, budget = Filters.of(query), Budget(seconds)
    records: list[Record] = []
    offsets = dict(query.cursor.offsets) if query.cursor else {}
    key = query.cursor.key if query.cursor else None
    truncated, size = None, 0
    with ExitStack() as stack:
        merge = _Merge(root, query, filters, budget, stack)
        try:
            while truncated is None and (stream := merge.next()) is not None:
                span = stream.current
                assert span is not None  # noqa: S101 - a stream in the merge has a record
                if len(records) >= query.limit or size > MOST_BYTES:
                    truncated = "limit" if len(records) >= query.limit else "size"
                    break
                record = present(stream.source, span, query.context)
                records.append(record)
                size += len(record.text)
                key = stream.key
                offsets[stream.source.file.identity] = span.start if query.newest_first else span.end
                merge.advance()
        except DeadlineError:
            truncated = "deadline"
        return Answer(
            tuple(records),
            truncated,
            Cursor(query.newest_first, key, offsets) if truncated and key is not None else None,
            budget.scanned,
            *_covered(query, records, key if truncated else None, truncated),
            merge.begun,
            tuple(merge.notes),
        )


def count(root: LogRoot, query: Query, *, seconds: float = SECONDS) -> tuple[int, int]:
    """How many lines hold the text or fit the pattern of a question, whatever their time and level.

    Returns:
        The lines, and the bytes that were looked at.

    Raises:
        LogQueryError: The question cannot be answered as it is.
        NoSuchLogError: A name or a pattern fits no file.
        DeadlineError: It takes too long.
    """
    matcher, budget, number = Filters.of(query).matcher, Budget(seconds), 0
    for file in root.chosen(query.files):
        with opened(root, file) as source:
            for _, length in blocks(source, Part(0, source.size), budget, backward=False):
                number += matcher.count(source.buffer, length)
    return number, budget.scanned


def _covered(
    query: Query, records: list[Record], edge: int | None, truncated: str | None
) -> tuple[int | None, int | None]:
    """From when to when everything that was asked for is in the answer."""
    times = [record.time for record in records if record.time is not None]
    low, high = query.start, query.end
    if query.cursor is not None:
        low, high = (low, query.cursor.key) if query.newest_first else (query.cursor.key, high)
    if truncated is None:
        return (
            min(times, default=None) if low is None else low,
            max(times, default=None) if high is None else high,
        )
    if edge is None:  # nothing was found before the time was over
        return None, None
    if query.newest_first:
        return edge, max(times, default=None) if high is None else high
    return min(times, default=None) if low is None else low, edge
