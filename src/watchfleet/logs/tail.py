"""The end of a log."""

from typing import Final

from watchfleet.logs.files import LogRoot, named
from watchfleet.logs.filters import Filters
from watchfleet.logs.follow import Position
from watchfleet.logs.present import present
from watchfleet.logs.query import Query, Record
from watchfleet.logs.records import learn
from watchfleet.logs.scan import Budget, Part, found
from watchfleet.logs.source import Source, opened

SECONDS: Final = 5.0
MOST_RECORDS: Final = 5000


def last_records(
    root: LogRoot, name: str, count: int, level: str | None = None, until: Position | None = None
) -> list[Record]:
    """The last records of one log, the oldest of them first.

    Args:
        root: Where the logs are.
        name: The file, as `files` lists it.
        count: How many.
        level: This level and worse ones only.
        until: Only what is before this position, if the file is still the same.

    Raises:
        NoSuchLogError: There is no such file.
        LogQueryError: There is no such level.
    """
    filters, budget = Filters.of(Query(level=level)), Budget(SECONDS)
    with opened(root, named(root, name)) as source:
        log = learn(source)
        spans = found(source, log, filters, Part(0, _end(source, until)), budget, backward=True)
        last = [span for _, span in zip(range(count), spans, strict=False)]
        return [present(source, span, 0) for span in reversed(last)]


def _end(source: Source, until: Position | None) -> int:
    if until is None or until.identity != source.file.identity:
        return source.size
    return min(source.size, until.offset)
