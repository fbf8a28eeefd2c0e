"""What is asked for: which records of which files, in which order, and from where on."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from watchfleet.logs.errors import LogQueryError

MOST_RECORDS: Final = 1000
MOST_CONTEXT: Final = 50
_LONGEST_CURSOR: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where an answer ended; the next one goes on there, also after files were renamed.

    Attributes:
        newest_first: The order that it belongs to.
        key: The time at which the answer ended, in microseconds.
        offsets: By file (device and inode), where it ended there.
    """

    newest_first: bool
    key: int
    offsets: Mapping[str, int]

    def encode(self) -> str:
        """As text that tells nothing."""
        text = json.dumps([int(self.newest_first), self.key, dict(self.offsets)], separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what `encode` wrote.

        Raises:
            LogQueryError: It is not that.
        """
        try:
            text = text[:_LONGEST_CURSOR]
            order, key, offsets = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            return cls(bool(order), int(key), {str(name): max(0, int(at)) for name, at in offsets.items()})
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            raise LogQueryError("cursor", "it is none that an answer gave") from None


@dataclass(frozen=True, slots=True)
class Query:
    """A question.

    Attributes:
        files: Names or patterns; none for all files.
        level: Records of this level (one of `levels.NAMES`) and worse ones only.
        text: What a line of the record must hold.
        pattern: What a line of it must fit instead, by RE2's syntax.
        ignore_case: Whether capitals are the same in both.
        start: The first microsecond since the epoch.
        end: The first that is not wanted any more.
        logger: The logger's name, or one above it.
        correlation_id: What the record must belong to.
        fields: What fields of a JSON record must be, by name.
        newest_first: The order.
        context: How many lines before and after each record are wanted.
        limit: How many records at most.
        cursor: Where to go on.
    """

    files: tuple[str, ...] = ()
    level: str | None = None
    text: str | None = None
    pattern: str | None = None
    ignore_case: bool = False
    start: int | None = None
    end: int | None = None
    logger: str | None = None
    correlation_id: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    newest_first: bool = True
    context: int = 0
    limit: int = 100
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        _within("limit", self.limit, 1, MOST_RECORDS)
        _within("context", self.context, 0, MOST_CONTEXT)
        if self.cursor is not None and self.cursor.newest_first is not self.newest_first:
            raise LogQueryError("cursor", "it belongs to the other order")
        if self.start is not None and self.end is not None and self.start > self.end:
            raise LogQueryError("from", "it is after `to`")


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was found.

    Attributes:
        file: Its file's name.
        offset: Where it is there.
        time: Microseconds since the epoch, if the log has times.
        time_raw: As it is written.
        level: One of `levels.NAMES`, if the log has levels.
        level_raw: As it is written.
        logger: Its logger, where that is told.
        message: Its message, where that can be told apart.
        correlation_id: What it belongs to, where that is told.
        text: The whole of it.
        cut: Whether `text` is only its beginning.
        fields: The fields of a JSON record.
        before: The lines before it.
        after: The lines after it.
    """

    file: str
    offset: int
    time: int | None
    time_raw: str | None
    level: str | None
    level_raw: str | None
    logger: str | None
    message: str | None
    correlation_id: str | None
    text: str
    cut: bool
    fields: Mapping[str, Any] | None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    Attributes:
        records: In the order that was asked for.
        truncated: Why there may be more: `limit`, `deadline` or `size`; None when that is all.
        cursor: How to go on; None when that is all.
        scanned_bytes: How many bytes were looked at.
        covered_from: The time from which on all was looked at, in microseconds.
        covered_to: The time up to which.
        files: How many files were looked at.
        notes: What could not be read as it should be.
    """

    records: tuple[Record, ...]
    truncated: str | None
    cursor: Cursor | None
    scanned_bytes: int
    covered_from: int | None
    covered_to: int | None
    files: int
    notes: tuple[str, ...]


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise LogQueryError(name, f"{value} is not between {least} and {most}")
