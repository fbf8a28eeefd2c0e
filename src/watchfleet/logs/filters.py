"""What a record must be, beside holding a text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from watchfleet.logs import levels
from watchfleet.logs.errors import LogQueryError
from watchfleet.logs.match import Matcher, matcher
from watchfleet.logs.query import Query
from watchfleet.logs.recognise import Head
from watchfleet.logs.records import Span
from watchfleet.logs.source import Source

_LOOKED_AT: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Filters:
    """The conditions of a question; see `query.Query`."""

    matcher: Matcher
    level: str | None = None
    start: int | None = None
    end: int | None = None
    logger: str | None = None
    correlation_id: str | None = None
    fields: Mapping[str, str] | None = None

    @classmethod
    def of(cls, query: Query) -> Self:
        """The conditions of a question.

        Raises:
            LogQueryError: The pattern is none, or there is no such level.
        """
        level = None
        if query.level is not None:
            level = (
                query.level.upper() if query.level.upper() in levels.RANK else levels.level_of(query.level)
            )
            if level is None:
                raise LogQueryError("level", f"{query.level!r} is none of {', '.join(levels.NAMES)}")
        return cls(
            matcher(query.text, query.pattern, ignore_case=query.ignore_case),
            level,
            query.start,
            query.end,
            query.logger,
            query.correlation_id,
            query.fields,
        )

    def needles(self) -> list[str]:
        """Texts of which a line of every record that passes holds one; none if nothing can be told."""
        return [self.correlation_id] if self.correlation_id else []

    def pass_(self, source: Source, span: Span) -> bool:
        """Whether a record is asked for."""
        return self.by_head(span.head) and self._by_content(source, span)

    @property
    def looks_inside(self) -> bool:
        """Whether more than a record's time and level is asked for."""
        return bool(self.logger or self.correlation_id or self.fields)

    def by_head(self, head: Head | None) -> bool:
        """Whether a record is asked for by its time and level."""
        time = head.time if head else None
        if (self.start is not None or self.end is not None) and time is None:
            return False
        if time is not None and not (self.start or time) <= time < (
            self.end if self.end is not None else time + 1
        ):
            return False
        if self.level is None:
            return True
        level = head.level if head else None
        return level is not None and levels.RANK[level] >= levels.RANK[self.level]

    def _by_content(self, source: Source, span: Span) -> bool:
        if not self.looks_inside:
            return True
        values = span.head.fields if span.head else None
        text = source.read(span.start, min(span.end, span.start + _LOOKED_AT)).decode(errors="replace")
        if self.logger and not _is_below(values.logger() if values else None, self.logger, text):
            return False
        if self.correlation_id and not (
            self.correlation_id in values.correlations() if values else _has_word(text, self.correlation_id)
        ):
            return False
        return all(
            values is not None and _same(values.get(name), wanted)
            for name, wanted in (self.fields or {}).items()
        )


def _is_below(found: str | None, wanted: str, text: str) -> bool:
    """Whether a logger is the one that is wanted or below it; of lines of text, whether one names it."""
    if found is None:
        return _has_word(text.partition("\n")[0], wanted)
    return found == wanted or found.startswith(f"{wanted}.")


def _has_word(text: str, word: str) -> bool:
    at = text.find(word)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(word) : at + len(word) + 1]
        if not (before.isalnum() or before in {"_", "-"}) and not (after.isalnum() or after in {"_", "-"}):
            return True
        at = text.find(word, at + 1)
    return False


def _same(value: object, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted.lower() == str(value).lower()
    if isinstance(value, int | float):
        return wanted == str(value) or _number(wanted) == value
    return value is not None and str(value) == wanted


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
