"""Find the lines of a block that hold a text or fit a pattern.

A text is found by `bytes.find`, a pattern by RE2, whose time is linear whatever the pattern; where hyperscan
is installed it finds the lines and RE2 confirms them. A pattern sees one line at a time: `^` and `$` are its
ends.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, Protocol, cast

import re2  # type: ignore[import-untyped]  # no type information is published for google-re2

from watchfleet.logs.errors import LogQueryError

try:
    import hyperscan
except ImportError:  # the extra `search` is not installed
    hyperscan = None  # type: ignore[assignment]  # a module that may be absent

LONGEST_PATTERN: Final = 2000
_MEMORY: Final = 8 * 1024 * 1024
_DENSE: Final = 8192
_LARGEST: Final = 2000
"""Instructions of a pattern's program; hyperscan may take seconds for a larger one."""
_CROSSING: Final = (
    "\\s",
    "\\S",
    "\\W",
    "\\D",
    "\\b",
    "\\B",
    "\\n",
    "\\R",
    "\\v",
    "\\h",
    "[^",
    "(?",
    "$",
    "^",
)
_SPECIAL: Final = frozenset("\\.+*?()|[]{}^$")
Span = tuple[int, int]


class Matcher(Protocol):
    """Finds lines."""

    def spans(self, block: bytearray, end: int) -> Iterator[Span]:
        """The lines of `block[:end]` that fit: where each begins and ends, its line end not included."""

    def count(self, block: bytearray, end: int) -> int:
        """How many lines of `block[:end]` fit."""


class Literal:
    """Lines that hold a text."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def spans(self, block: bytearray, end: int) -> Iterator[Span]:
        """See `Matcher`."""
        find, text, at = block.find, self._text, 0
        while (hit := find(text, at, end)) >= 0:
            at = find(b"\n", hit, end)
            if at < 0:
                at = end
            yield block.rfind(b"\n", 0, hit) + 1, at

    def fits(self, block: bytearray, start: int, end: int) -> bool:
        """Whether one line holds it."""
        return block.find(self._text, start, end) >= 0

    def count(self, block: bytearray, end: int) -> int:
        """See `Matcher`."""
        find, text, at, number = block.find, self._text, 0, 0
        while (hit := find(text, at, end)) >= 0:
            number += 1
            at = find(b"\n", hit, end)
            if at < 0:
                break
        return number


class Every:
    """All lines."""

    def spans(self, block: bytearray, end: int) -> Iterator[Span]:
        """See `Matcher`."""
        find, at = block.find, 0
        while at < end:
            stop = find(b"\n", at, end)
            if stop < 0:
                stop = end
            yield at, stop
            at = stop + 1

    def count(self, block: bytearray, end: int) -> int:
        """See `Matcher`."""
        return block.count(b"\n", 0, end) + (end > 0 and block[end - 1] != 0x0A)


class Pattern:
    """Lines that fit a pattern of RE2."""

    def __init__(self, pattern: str, *, ignore_case: bool) -> None:
        self._regexp = compiled(pattern, ignore_case=ignore_case)

    def spans(self, block: bytearray, end: int) -> Iterator[Span]:
        """See `Matcher`."""
        search, find, at = self._regexp.search, block.find, 0
        while at < end and (found := search(block, at, end)):
            hit = found.start()
            stop = find(b"\n", hit, end)
            if stop < 0:
                stop = end
            yield block.rfind(b"\n", 0, hit) + 1, stop
            at = stop + 1

    def count(self, block: bytearray, end: int) -> int:
        """See `Matcher`."""
        search, find, at, number = self._regexp.search, block.find, 0, 0
        while at < end and (found := search(block, at, end)):
            number += 1
            at = find(b"\n", found.end(), end) + 1
            if at == 0:
                break
        return number

    def fits(self, block: bytearray, start: int, end: int) -> bool:
        """Whether one line fits."""
        return self._regexp.search(block, start, end) is not None

    @property
    def size(self) -> int:
        """Instructions of its program."""
        return int(self._regexp.programsize)


class Scanned:
    """Lines that fit a pattern, found by hyperscan and confirmed by RE2: some classes of it cross line ends.

    Each hit costs a call, so a pattern with many in a block is left to RE2 from then on.
    """

    def __init__(self, pattern: str, plain: "Pattern | Literal", *, ignore_case: bool) -> None:
        self._plain = plain
        literal = isinstance(plain, Literal)
        flags = hyperscan.HS_FLAG_CASELESS if ignore_case else 0
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[pattern.encode()],
            flags=flags if literal else flags | hyperscan.HS_FLAG_MULTILINE,
            literal=literal,
        )
        self._certain = literal or not any(part in pattern for part in _CROSSING)
        self._dense = False

    def spans(self, block: bytearray, end: int) -> Iterator[Span]:
        """See `Matcher`."""
        ends = None if self._dense else self._ends(block, end)
        if ends is None:
            self._dense = True
            yield from self._plain.spans(block, end)
            return
        find, at = block.find, 0
        for hit in ends:
            if hit <= at and at:
                continue
            start = block.rfind(b"\n", 0, max(0, hit - 1)) + 1
            stop = find(b"\n", max(0, hit - 1), end)
            if stop < 0:
                stop = end
            at = stop + 1
            if self._certain or self._plain.fits(block, start, stop):
                yield start, stop

    def count(self, block: bytearray, end: int) -> int:
        """See `Matcher`."""
        return sum(1 for _ in self.spans(block, end))

    def _ends(self, block: bytearray, end: int) -> list[int] | None:
        """Where matches end; None when there are too many."""
        ends: list[int] = []
        append = ends.append

        def collect(_id: int, _start: int, found: int, _flags: int, _context: object) -> bool:
            append(found)
            return len(ends) > _DENSE

        with suppress(hyperscan.error):  # how it tells that it was stopped
            self._database.scan(cast("Any", memoryview(block)[:end]), match_event_handler=collect)
        return ends if len(ends) <= _DENSE else None


def matcher(text: str | None, pattern: str | None, *, ignore_case: bool = False) -> Matcher:
    """What finds the lines that are asked for.

    Args:
        text: What a line must hold.
        pattern: What it must fit instead, by RE2's syntax.
        ignore_case: Whether letters in capitals are the same.

    Raises:
        LogQueryError: The pattern is none, or too large.
    """
    if text and pattern:
        raise LogQueryError("pattern", "give a text or a pattern, not both")
    if pattern and (ignore_case or not _SPECIAL.isdisjoint(pattern)):
        return _pattern(pattern, ignore_case=ignore_case)
    text = text or pattern
    if not text:
        return Every()
    if "\n" in text:
        raise LogQueryError("text", "a text is searched for in lines and must not hold a line end")
    if ignore_case:
        return _pattern(re2.escape(text), ignore_case=True)
    return _accelerated(text, Literal(text.encode()), ignore_case=False)


def compiled(pattern: str, *, ignore_case: bool = False) -> "re2._Regexp[bytes]":
    """A pattern that the operator wrote, for lines as bytes.

    Raises:
        LogQueryError: It is none.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise LogQueryError(
            "pattern", f"it has {len(pattern)} characters, and {LONGEST_PATTERN} at most are taken"
        )
    options = re2.Options()
    options.log_errors = False
    options.never_nl = True
    options.max_mem = _MEMORY
    options.case_sensitive = not ignore_case
    try:
        return re2.compile(b"(?m)" + pattern.encode(), options)
    except (re2.error, UnicodeError) as error:
        said = error.args[0] if error.args else error
        said = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise LogQueryError("pattern", f"RE2 does not take it: {said}") from None


def _pattern(pattern: str, *, ignore_case: bool) -> Matcher:
    plain = Pattern(pattern, ignore_case=ignore_case)
    return plain if plain.size > _LARGEST else _accelerated(pattern, plain, ignore_case=ignore_case)


def _accelerated(pattern: str, plain: Pattern | Literal, *, ignore_case: bool) -> Matcher:
    if hyperscan is None:
        return plain
    try:
        return Scanned(pattern, plain, ignore_case=ignore_case)
    except hyperscan.error:
        return plain  # RE2 knows some forms that hyperscan does not
