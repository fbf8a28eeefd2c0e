"""How many records there are over time, by level."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from watchfleet.logs.errors import LogQueryError, NoSuchLogError
from watchfleet.logs.files import LogFile, LogRoot
from watchfleet.logs.filters import Filters
from watchfleet.logs.match import Every
from watchfleet.logs.query import Query
from watchfleet.logs.records import LONGEST_LINE, learn, lines
from watchfleet.logs.scan import Budget, DeadlineError, blocks, candidates, found, part_of
from watchfleet.logs.source import Source, opened

SECONDS: Final = 20.0
MOST_BUCKETS: Final = 1000
_MICRO: Final = 1_000_000
_WIDTHS: Final = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800)
"""Seconds of a bucket, of which the narrowest is taken that gives no more buckets than are wanted."""
_UNKNOWN: Final = "NONE"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of records.

    Attributes:
        width: Microseconds of a bucket.
        buckets: By the microsecond in which a bucket begins, how many records of each level; those without a
            level under `NONE`. Buckets without records are left out.
        untimed: How many records have no time.
        truncated: `deadline`, or None when everything was counted.
        scanned_bytes: How many bytes were looked at.
        covered_from: The time from which on all was counted, in microseconds; None when nothing was.
        covered_to: The time up to which.
    """

    width: int
    buckets: dict[int, Counter[str]]
    untimed: int
    truncated: str | None
    scanned_bytes: int
    covered_from: int | None
    covered_to: int | None


def histogram(root: LogRoot, query: Query, *, buckets: int = 60, seconds: float = SECONDS) -> Histogram:
    """Count the records that a question is about.

    Args:
        root: Where the logs are.
        query: What is counted; its order, limit, context and cursor do not matter.
        buckets: How many there should be at most.
        seconds: After which the answer is what was counted until then.

    Raises:
        LogQueryError: The question cannot be answered as it is.
        NoSuchLogError: A name or a pattern fits no file.
    """
    if not 1 <= buckets <= MOST_BUCKETS:
        raise LogQueryError("buckets", f"{buckets} is not between 1 and {MOST_BUCKETS}")
    filters, budget, seconds_of = Filters.of(query), Budget(seconds), Counter[tuple[int, str]]()
    untimed, truncated = 0, None
    files = sorted(root.chosen(query.files), key=lambda file: file.modified)
    try:
        for file in files:
            untimed += _count(root, file, filters, budget, seconds_of)
    except DeadlineError:
        truncated = "deadline"
    times = [second for second, _ in seconds_of]
    low = query.start // _MICRO if query.start is not None else min(times, default=0)
    high = query.end // _MICRO if query.end is not None else max(times, default=0)
    width = next((one for one in _WIDTHS if (high - low) / one < buckets), _WIDTHS[-1])
    counts: dict[int, Counter[str]] = {}
    for (second, level), number in sorted(seconds_of.items()):
        counts.setdefault(second // width * width * _MICRO, Counter())[level] += number
    return Histogram(
        width * _MICRO,
        counts,
        untimed,
        truncated,
        budget.scanned,
        *_covered(query, times, truncated=truncated is not None),
    )


def _covered(query: Query, times: list[int], *, truncated: bool) -> tuple[int | None, int | None]:
    """Files are counted the oldest first: of one that was cut off, what is after its last second is left."""
    if not times:
        return (None, None) if truncated else (query.start, query.end)
    low = min(times) * _MICRO if query.start is None else query.start
    if truncated:
        return low, max(times) * _MICRO
    return low, (max(times) + 1) * _MICRO if query.end is None else query.end


def _count(
    root: LogRoot, file: LogFile, filters: Filters, budget: Budget, counts: Counter[tuple[int, str]]
) -> int:
    """Count a file's records; returns how many have no time."""
    with ExitStack() as stack:
        try:
            source = stack.enter_context(opened(root, file))
        except NoSuchLogError:
            return 0
        if isinstance(candidates(learn(source), filters), Every) and not filters.looks_inside:
            return _count_heads(source, filters, budget, counts)
        log, untimed = learn(source), 0
        for span in found(source, log, filters, part_of(source, log, filters), budget, backward=False):
            untimed += _add(
                counts, span.head.time if span.head else None, span.head.level if span.head else None
            )
        return untimed


def _count_heads(source: Source, filters: Filters, budget: Budget, counts: Counter[tuple[int, str]]) -> int:
    """Count records by their first lines alone, where nothing else of them is asked for."""
    log, untimed = learn(source), 0
    for offset, length in blocks(source, part_of(source, log, filters), budget, backward=False):
        for _, line in lines(bytes(memoryview(source.buffer)[:length]), offset):
            head = log.head(line[:LONGEST_LINE])
            if head is not None and filters.by_head(head):
                untimed += _add(counts, head.time, head.level)
    return untimed


def _add(counts: Counter[tuple[int, str]], time: int | None, level: str | None) -> int:
    if time is None:
        return 1
    counts[time // _MICRO, level or _UNKNOWN] += 1
    return 0
