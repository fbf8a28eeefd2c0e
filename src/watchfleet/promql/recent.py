"""The newest samples, kept in the process that asks for them again and again, as rules do.

What a query reads whose span has been asked for before, such as the last 5 minutes, stays in memory and is
brought up to date: only samples of batches that came in since are read. Each batch is entered in the store
with its transaction's number and the span of its samples' times. A batch that the last look could not see
has a number that was not below the oldest transaction then running: the same that PostgreSQL goes by. So a
late sample, or one whose transaction took long, is missed no more than in the table itself. Batches that
this process wrote itself, as rules do between their reads, are passed over where they hold no series that is
kept.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock as Mutex
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Connection, Engine, text

from watchfleet.promql.readings import LAST_MS, NO_READINGS, Readings, Span, read
from watchfleet.promql.series import Ints

LONGEST_MS: Final = 2 * 3_600_000
"""Longer spans are read anew each time."""

SLACK_MS: Final = 60_000
"""How much more than was asked for is kept: not all who ask do so for the same present."""

MOST_SAMPLES: Final = 4_000_000
"""How many samples a process keeps, about 64 MB; with more, the least used go."""

MOST_SPANS: Final = 32

MOST_OWN: Final = 256
"""How many batches of its own a process knows the series of; older ones are looked at like any other."""

_XID: Final = text("SELECT pg_current_xact_id()::text::bigint")
_LOOK: Final = text(
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,"
    " EXISTS (SELECT FROM ingest_batch WHERE xid = pg_current_xact_id_if_assigned()::text::bigint) AS wrote,"
    " ARRAY(SELECT coalesce((SELECT min(coalesce(first_us, 0)) FROM ingest_batch WHERE xid >= horizon"
    " AND coalesce(last_us, :last) >= start AND (id, xid) NOT IN"
    " (SELECT * FROM unnest(CAST(:own_ids AS text[]), CAST(:own_xids AS bigint[])))), :last) FROM"
    " unnest(CAST(:horizons AS bigint[]), CAST(:starts AS bigint[])) WITH ORDINALITY"
    " AS block (horizon, start, place) ORDER BY place) AS lows"
)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """What is kept for spans of one length.

    Attributes:
        ids: The series that it is for, rising.
        start: From when on it is complete, in milliseconds.
        horizon: Batches with a lower number are in it.
        readings: The samples.
    """

    ids: Ints
    start: int
    horizon: int
    readings: Readings


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """What is wanted of one block.

    Attributes:
        length: That of all the spans, in milliseconds.
        spans: From when to when.
        ids: The series of all of them, rising.
    """

    length: int
    spans: list[Span]
    ids: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Own:
    """A batch that this process wrote.

    Attributes:
        id: The batch's id.
        xid: The number of its transaction: the same id may come again when that does not commit.
        series: All series that it has samples of.
    """

    id: str
    xid: int
    series: Ints


class Recent:
    """The newest samples of one store."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Block | None] = {}  # None: asked for once, and perhaps not again
        self._own: deque[_Own] = deque(maxlen=MOST_OWN)
        self._mutex = Mutex()

    def wrote(self, connection: Connection, batch: str, series: Ints) -> None:
        """Take note of a batch that the connection's transaction entered, and of all series in it."""
        self._own.append(_Own(batch, connection.execute(_XID).scalar_one(), series))

    def take(self, connection: Connection, wanted: Mapping[Span, Ints]) -> dict[Span, Readings]:
        """The samples for those of some spans and series that are kept, brought up to date.

        Nothing for a transaction that wrote samples itself, which only it may see, and nothing while another
        thread is at it.
        """
        asked = {span: ids for span, ids in wanted.items() if 0 <= span[1] - span[0] <= LONGEST_MS}
        if not asked or not self._mutex.acquire(blocking=False):
            return {}
        try:
            return self._take(connection, asked)
        finally:
            self._mutex.release()

    def _take(self, connection: Connection, asked: Mapping[Span, Ints]) -> dict[Span, Readings]:
        wanted = _by_length({span: ids for span, ids in asked.items() if self._is_kept(span)})
        blocks = {want.length: self._blocks[want.length] for want in wanted}
        look = _look(connection, list(blocks.values()), _apart(list(self._own), blocks.values()))
        found: dict[Span, Readings] = {}
        if look.wrote:
            return found
        for want, low in zip(wanted, look.lows, strict=True):
            block = _updated(connection, blocks[want.length], want, look.horizon, low)
            self._keep(want.length, block)
            if block is not None:
                found |= dict.fromkeys(want.spans, block.readings)
        return found

    def _is_kept(self, span: Span) -> bool:
        """Whether a span is worth keeping: it was asked for before, and not for a time further back."""
        length = _length(span)
        if length not in self._blocks:
            self._keep(length, None)
            return False
        block = self._blocks[length]
        return block is None or block.start <= span[0]

    def _keep(self, length: int, block: _Block | None) -> None:
        self._blocks.pop(length, None)
        self._blocks[length] = block  # the last used stands last
        while len(self._blocks) > 1 and (len(self._blocks) > MOST_SPANS or self._size() > MOST_SAMPLES):
            del self._blocks[next(iter(self._blocks))]

    def _size(self) -> int:
        return sum(len(block.readings) for block in self._blocks.values() if block)


@dataclass(frozen=True, slots=True)
class _Look:
    """What the store says at one moment.

    Attributes:
        horizon: No batch with a lower number is still to come.
        wrote: Whether this very transaction wrote a batch.
        lows: For each block the earliest time, in milliseconds, of a sample that may be new.
    """

    horizon: int
    wrote: bool
    lows: tuple[int, ...]


def _apart(own: Sequence[_Own], blocks: Iterable[_Block | None]) -> list[_Own]:
    """The batches that no block has a series of."""
    kept = [block.ids for block in blocks if block]
    if not own or not kept:
        return []
    places = np.repeat(np.arange(len(own)), [len(one.series) for one in own])
    met = np.isin(np.concatenate([one.series for one in own]), np.concatenate(kept))
    near = set(places[met].tolist())
    return [one for place, one in enumerate(own) if place not in near]


def _look(connection: Connection, blocks: Sequence[_Block | None], apart: Sequence[_Own]) -> _Look:
    values = {
        "own_ids": [one.id for one in apart],
        "own_xids": [one.xid for one in apart],
        "horizons": [block.horizon if block else 0 for block in blocks],
        # A block that is not there yet is not looked up: no batch is so late.
        "starts": [block.start * 1000 if block else LAST_MS * 1000 + 1 for block in blocks],
        "last": LAST_MS * 1000,
    }
    row = connection.execute(_LOOK, values).one()
    return _Look(row.horizon, row.wrote, tuple(low // 1000 for low in row.lows))


def _by_length(asked: Mapping[Span, Ints]) -> list[_Wanted]:
    """What is wanted of each block: groups that are evaluated together need not have the same present."""
    spans: dict[int, list[Span]] = {}
    for span in asked:
        spans.setdefault(_length(span), []).append(span)
    return [
        _Wanted(length, some, np.unique(np.concatenate([asked[span] for span in some])))
        for length, some in spans.items()
    ]


def _updated(
    connection: Connection, block: _Block | None, want: _Wanted, horizon: int, low: int
) -> _Block | None:
    """The block as it is now and for these series too; None if it would be too much.

    Args:
        connection: Where to read what is missing.
        block: The block as it was; None if there is none.
        want: What is wanted of it.
        horizon: The look's.
        low: The earliest time, in milliseconds, of a sample that may be new to the block.
    """
    start, empty = max(0, min(span[0] for span in want.spans) - SLACK_MS), np.empty(0, np.int64)
    if block is None or horizon < block.horizon:  # or another server than before
        block = _Block(empty, start, horizon, NO_READINGS)
    start = max(start, block.start)
    fresh = np.setdiff1d(want.ids, block.ids)
    reads: dict[Span, Ints] = {}
    if len(fresh):
        reads[start, LAST_MS] = fresh
    if low < LAST_MS and len(block.ids):
        reads[max(low, start), LAST_MS - 1] = block.ids  # no sample is as late, and the spans differ
    came = read(connection, reads, MOST_SAMPLES)
    if came is None:
        return None
    if not reads:
        return replace(block, horizon=horizon)
    times = block.readings.times
    readings = block.readings.only((times >= start) & (times < low)).with_later(came)
    return _Block(np.union1d(block.ids, fresh), start, horizon, readings)


def _length(span: Span) -> int:
    return span[1] - span[0]


_recent: "WeakKeyDictionary[Engine, Recent]" = WeakKeyDictionary()
_recent_mutex: Final = Mutex()


def recent(engine: Engine) -> Recent:
    """What this process keeps of a store."""
    with _recent_mutex:
        return _recent.setdefault(engine, Recent())
