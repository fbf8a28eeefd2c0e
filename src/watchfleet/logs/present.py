"""A record as an answer tells it."""

from typing import Final

from watchfleet.logs.query import Record
from watchfleet.logs.records import Span
from watchfleet.logs.source import Source

LONGEST: Final = 64 * 1024
"""So many bytes of a record are in an answer."""
_LONGEST_CONTEXT: Final = 4096


def present(source: Source, span: Span, context: int) -> Record:
    """A record with its text, its fields and the lines around it."""
    raw = source.read(span.start, min(span.end, span.start + LONGEST))
    head, fields = span.head, span.head.fields if span.head else None
    ids = sorted(fields.correlations()) if fields else []
    return Record(
        file=source.file.name,
        offset=span.start,
        time=head.time if head else None,
        time_raw=head.time_raw if head else None,
        level=head.level if head else None,
        level_raw=head.level_raw if head else None,
        logger=fields.logger() if fields else None,
        message=fields.message() if fields else None,
        correlation_id=str(fields.get("correlation_id") or ids[0]) if ids and fields else None,
        text=_text(raw),
        cut=span.end - span.start > LONGEST,
        fields=fields.values if fields else None,
        before=_before(source, span.start, context),
        after=_after(source, span.end, context),
    )


def _before(source: Source, offset: int, count: int) -> tuple[str, ...]:
    found: list[str] = []
    while offset > 0 and len(found) < count:
        start = source.line_start(offset - 1)
        found.append(_text(source.read(start, min(offset, start + _LONGEST_CONTEXT))))
        offset = start
    return tuple(reversed(found))


def _after(source: Source, offset: int, count: int) -> tuple[str, ...]:
    found: list[str] = []
    while offset < source.size and len(found) < count:
        end = source.line_end(offset)
        if end <= offset:
            break
        found.append(_text(source.read(offset, min(end, offset + _LONGEST_CONTEXT))))
        offset = end
    return tuple(found)


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace").replace("\r\n", "\n").rstrip("\r\n")
