"""The lines of a spool's files: a checksum and a row as JSON each."""

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from watchfleet.instrument.buffer import Parcel, Row, kind_of
from watchfleet.model import Activity, Event, Kind, Sample
from watchfleet.wire import pack

_EVENT, _SAMPLE, _COUNT, _ACTIVITY = "event", "sample", "count", "activity"
_TAGS: Final[dict[type, str]] = {Sample: _SAMPLE, Event: _EVENT, Activity: _ACTIVITY}
_DIGITS: Final = 8


def line_of(row: Row, *, counts: bool = False) -> bytes:
    """A row as a line.

    Args:
        row: The row.
        counts: Whether it is an amount to be added to others of its series.
    """
    tag = _COUNT if counts else _TAGS[type(row)]
    content = json.dumps([tag, *row], separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(content), content)


def parcel_of(path: Path) -> tuple[Parcel | None, int]:
    """The batch that a file is, and how many of its lines are damaged; no batch when it has no good line.

    The same file gives the same batch whenever it is read; its id is the file's name.

    Raises:
        OSError: It cannot be read.
    """
    lines = list(_lines(path.read_bytes()))
    good = [line for line in lines if line is not None]
    samples = [line.row for line in good if not line.counts and isinstance(line.row, Sample)]
    samples += _added_up(line.row for line in good if line.counts and isinstance(line.row, Sample))
    events = [line.row for line in good if isinstance(line.row, Event)]
    activity = [line.row for line in good if isinstance(line.row, Activity)]
    rows = len(samples) + len(events) + len(activity)
    parcel = Parcel(path.stem, pack(samples, events, activity), rows) if rows else None
    return parcel, len(lines) - len(good)


def kinds_in(path: Path) -> Counter[str]:
    """How many rows of each kind are in a file."""
    return Counter(kind_of(line.row) for line in _lines(_content(path)) if line is not None)


def number_in(path: Path) -> int:
    """How many lines are in a file."""
    return _content(path).count(b"\n")


class _Line(NamedTuple):
    row: Row
    counts: bool


def _lines(content: bytes) -> Iterator[_Line | None]:
    """Each line; None for one that is damaged."""
    return map(_line, content.splitlines(keepends=True))


def _line(line: bytes) -> _Line | None:
    checksum, content = line[:_DIGITS], line[_DIGITS + 1 : -1]
    try:
        if not line.endswith(b"\n") or int(checksum, 16) != zlib.crc32(content):
            return None
        tag, *fields = json.loads(content)
        if tag in {_EVENT, _ACTIVITY}:
            return _Line(Event(*fields) if tag == _EVENT else Activity(*fields), counts=False)
        name, labels, kind, ts, value = fields
        return _Line(Sample(name, labels, Kind(kind), ts, value), counts=tag == _COUNT)
    except (ValueError, TypeError):
        return None


def _added_up(counted: Iterable[Sample]) -> list[Sample]:
    """One sample for each series: the sum, as of the last."""
    found: dict[str, Sample] = {}
    for one in counted:
        key = json.dumps([one.name, one.kind, sorted(one.labels.items())])
        before = found.get(key)
        found[key] = one._replace(value=one.value + before.value) if before else one
    return list(found.values())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
