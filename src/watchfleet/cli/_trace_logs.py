"""The log lines of one correlation id, as entries of `watchfleet trace`."""

import time
from datetime import UTC, datetime
from math import ceil
from typing import Final, NamedTuple

from watchfleet.clock import utcnow
from watchfleet.logs.files import LogRoot
from watchfleet.logs.query import MOST_RECORDS, Cursor, Query, Record
from watchfleet.logs.search import SECONDS, search
from watchfleet.metrics.timeline import Entry
from watchfleet.redact import redact

_MICRO: Final = 1_000_000


class Lines(NamedTuple):
    """What the logs hold of one id.

    Attributes:
        entries: In order of time.
        notes: What could not be read, or was not.
    """

    entries: list[Entry]
    notes: list[str]


def log_lines(root: LogRoot, correlation_id: str, most: int, *, seconds: float = SECONDS) -> Lines:
    """The first `most` records that carry an id.

    Args:
        root: Where the logs are.
        correlation_id: The id.
        most: How many at most.
        seconds: After which the answer is what was found until then.

    Raises:
        LogQueryError: There are too many files.
    """
    end, cursor = time.monotonic() + seconds, None
    records, notes = list[Record](), dict[str, None]()
    for _ in range(ceil(most / MOST_RECORDS)):
        left = end - time.monotonic()
        answer = search(root, _query(correlation_id, most - len(records), cursor), seconds=max(left, 0))
        records += answer.records
        notes |= dict.fromkeys(answer.notes)
        cursor = answer.cursor
        if answer.truncated == "deadline":
            notes[f"the logs were not read to their end within {seconds:g} s"] = None
        if cursor is None or answer.truncated == "deadline" or len(records) >= most:
            break
    return Lines(_entries(records), list(notes))


def _query(correlation_id: str, most: int, cursor: Cursor | None) -> Query:
    return Query(
        correlation_id=correlation_id, newest_first=False, limit=min(most, MOST_RECORDS), cursor=cursor
    )


def _entries(records: list[Record]) -> list[Entry]:
    """A record without a time of its own has that of the one before it."""
    times = [record.time for record in records if record.time is not None]
    last = times[0] if times else int(utcnow().timestamp() * _MICRO)
    entries = []
    for record in records:
        last = last if record.time is None else record.time
        entries.append(_entry(record, datetime.fromtimestamp(last / _MICRO, UTC)))
    return entries


def _entry(record: Record, at: datetime) -> Entry:
    fields = {"level": record.level, "logger": record.logger, "text": redact(record.text)}
    told = {name: value for name, value in fields.items() if value}
    return Entry(at, "log", record.file, redact(record.message or record.text), None, told)
