"""Write what a batch of scrapes found into the store, with the ends of series that are no longer there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, text

from watchfleet.metrics import ingest, kinds
from watchfleet.metrics.counters import Tally
from watchfleet.metrics.ingest import STALE
from watchfleet.metrics.series import resolve
from watchfleet.metrics.sketch import Ints
from watchfleet.model import Kind, Sample
from watchfleet.probes.scrape.page import REPORTS, Page

MOST_AT_ONCE: Final = 200_000
"""Samples in one batch of the store; more are written as several, in the same transaction."""

_LOCK: Final = text(
    "SELECT key, scraped_at, reason, series FROM scrape_target WHERE key = ANY(:keys) ORDER BY key FOR UPDATE"
)
_SAVE: Final = text(
    "UPDATE scrape_target AS old SET scraped_at = new.at, reason = new.reason, detail = new.detail,"
    " series = coalesce(new.series, old.series)"
    " FROM unnest(CAST(:keys AS text[]), CAST(:ats AS timestamptz[]), CAST(:reasons AS text[]),"
    " CAST(:details AS text[]), CAST(:series AS bytea[])) AS new (key, at, reason, detail, series)"
    " WHERE old.key = new.key"
)
_NAMED: Final = text("SELECT id, name, labels, kind FROM series WHERE id = ANY(:ids)")


@dataclass(slots=True)
class _Scrape:
    """One target's page beside what the store knows of the target.

    Attributes:
        page: The page.
        before: The series of the last scrape, ascending.
        after: Those of this one.
    """

    page: Page
    before: Ints
    after: Ints

    @property
    def ended(self) -> Ints:
        return np.setdiff1d(self.before, self.after, assume_unique=True)

    @property
    def added(self) -> int:
        return len(np.setdiff1d(self.after, self.before, assume_unique=True))


def batch_id(slot: str, keys: Iterable[str]) -> str:
    """The identity of one batch of one tick: the same when its message comes twice."""
    return f"scrape:{slot}:{blake2b(''.join(sorted(keys)).encode(), digest_size=8).hexdigest()}"


def record(connection: Connection, batch: str, pages: Sequence[Page], now: datetime) -> int:
    """Write the pages of a batch, unless it is in already; returns how many samples that were.

    A target that was scraped later already, or is no longer scraped at all, is left out.

    Args:
        connection: The transaction that is to hold them.
        batch: The batch's id.
        pages: What was found, one of each target.
        now: The present.
    """
    samples = kinds.settled(connection, [sample for page in pages for sample in page.samples])
    resolved = resolve(connection, [[one.name, one.labels, str(one.kind)] for one in samples])
    ids, distinct = resolved.ids, (resolved.ids >= 0) & ~resolved.overflowed
    # After the series are made: that takes a connection of its own, and nobody must wait for us meanwhile.
    known = {row.key: row for row in connection.execute(_LOCK, {"keys": [page.target.key for page in pages]})}
    scrapes, rows, start = list[_Scrape](), list[Sample](), 0
    for page in pages:
        part = slice(start, start := start + len(page.samples))
        row = known.get(page.target.key)
        if row is None or (row.scraped_at is not None and row.scraped_at >= _instant(page)):
            continue
        before = np.frombuffer(bytes(row.series), "<i4").astype(np.int64)
        after, first = np.unique(ids[part][distinct[part]], return_index=True)
        scrapes.append(_Scrape(page, before, after))
        rows += _once(samples[part], distinct[part], first)
    if not scrapes:
        return 0
    rows += [sample for scrape in scrapes for sample in scrape.page.reports(scrape.added)]
    rows += ends(connection, [(scrape.page.at, scrape.ended) for scrape in scrapes])
    written = _write(connection, batch, rows, now)
    if written is None:
        return 0
    stamped = kinds.settled(connection, [one for scrape in scrapes for one in scrape.page.stamped])
    if stamped:
        # A target shows such a sample until it has a newer one: most have been seen before.
        written += ingest.write_samples(connection, f"{batch}:stamped", stamped, now, dedupe=True).accepted
    _save(connection, scrapes)
    return written


def ends(connection: Connection, ended: Iterable[tuple[float, Ints]]) -> list[Sample]:
    """Staleness markers.

    Args:
        connection: Where the series are known.
        ended: Times in Unix seconds, and the numbers of the series that end there.
    """
    at = {int(number): ts for ts, numbers in ended for number in numbers}
    if not at:
        return []
    rows = connection.execute(_NAMED, {"ids": list(at)})
    return [Sample(row.name, row.labels, Kind(row.kind), at[row.id], STALE) for row in rows]


def report_ends(labels: Mapping[str, str], at: float) -> list[Sample]:
    """The staleness markers of what is written of each scrape, for a target that is no longer scraped."""
    return [Sample(name, dict(labels), kind, at, STALE) for name, kind in REPORTS.items()]


def _once(samples: Sequence[Sample], distinct: Any, first: Ints) -> list[Sample]:
    """The samples without those of a series that the page had already; where none can be told, all."""
    keep = ~distinct
    keep[np.flatnonzero(distinct)[first]] = True
    if keep.all():
        return list(samples)
    return [samples[at] for at in np.flatnonzero(keep).tolist()]


def _write(connection: Connection, batch: str, rows: Sequence[Sample], now: datetime) -> int | None:
    """Write samples; None if the batch is in already."""
    accepted = 0
    for number, start in enumerate(range(0, len(rows), MOST_AT_ONCE)):
        part = rows[start : start + MOST_AT_ONCE]
        written = ingest.write_samples(connection, f"{batch}:{number}", part, now)
        if written.duplicate:
            return None
        accepted += written.accepted
    return accepted


def _save(connection: Connection, scrapes: Sequence[_Scrape]) -> None:
    tally = Tally()
    for scrape in scrapes:
        error, job = scrape.page.error, scrape.page.target.job
        if error is not None:
            tally.add("watchfleet_scrape_failures_total", labels={"job": job, "reason": error.reason})
    tally.save(connection)
    errors = [scrape.page.error for scrape in scrapes]
    connection.execute(
        _SAVE,
        {
            "keys": [scrape.page.target.key for scrape in scrapes],
            "ats": [_instant(scrape.page) for scrape in scrapes],
            "reasons": [error.reason if error else "" for error in errors],
            "details": [error.detail.replace("\x00", "\ufffd") if error else "" for error in errors],
            "series": [
                None if np.array_equal(scrape.before, scrape.after) else scrape.after.astype("<i4").tobytes()
                for scrape in scrapes
            ],
        },
    )


def _instant(page: Page) -> datetime:
    return datetime.fromtimestamp(page.at, UTC)
