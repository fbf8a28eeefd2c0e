"""A tick's work and a batch's work for scrapes, each one call for a task."""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import BoundedSemaphore, Lock
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from watchfleet.clock import slot_start, utcnow
from watchfleet.db.engine import is_outage, transaction
from watchfleet.errors import StoreUnavailableError
from watchfleet.metrics import ingest
from watchfleet.probes.scrape import page, record
from watchfleet.probes.scrape.config import Jobs, get_jobs
from watchfleet.probes.scrape.discovery import Discovery, Target
from watchfleet.probes.scrape.fetch import fetch
from watchfleet.probes.scrape.page import Page
from watchfleet.redact import redact

logger = logging.getLogger(__name__)

LARGEST_BATCH: Final = 50
SLOW_SECONDS: Final = 10.0
"""Targets that may take longer, or timed out the last time, are scraped apart from the others."""
RESYNC_SECONDS: Final = 60.0
MOST_RECORDING: Final = 3
"""Batches that a process writes at the same time: each may need two connections."""

Series = tuple[str, Mapping[str, str]]
"""The name and the labels of a series."""

_CLAIM: Final = text(
    "UPDATE scrape_target SET due_at = due_at + make_interval(secs => interval_seconds *"
    " (floor(extract(epoch FROM CAST(:now AS timestamptz) - due_at)::float8 / interval_seconds) + 1))"
    " WHERE due_at <= :now RETURNING key, interval_seconds, timeout_seconds, reason"
)
_SYNC: Final = text(
    "INSERT INTO scrape_target AS old (key, job, url, labels, interval_seconds, timeout_seconds, due_at)"
    " SELECT key, job, url, CAST(labels AS jsonb), seconds, timeout, due FROM unnest("
    " CAST(:keys AS text[]), CAST(:jobs AS text[]), CAST(:urls AS text[]), CAST(:labels AS text[]),"
    " CAST(:seconds AS float8[]), CAST(:timeouts AS float8[]), CAST(:due AS timestamptz[]))"
    " AS new (key, job, url, labels, seconds, timeout, due) ORDER BY key"
    " ON CONFLICT (key) DO UPDATE SET interval_seconds = excluded.interval_seconds,"
    " timeout_seconds = excluded.timeout_seconds, due_at = excluded.due_at"
    " WHERE (old.interval_seconds, old.timeout_seconds)"
    " IS DISTINCT FROM (excluded.interval_seconds, excluded.timeout_seconds)"
)
_DROP: Final = text(
    "DELETE FROM scrape_target WHERE key <> ALL(CAST(:keys AS text[]))"
    " RETURNING key, labels, scraped_at, series"
)
_READ: Final = text(
    "SELECT key, job, url, labels, interval_seconds, timeout_seconds FROM scrape_target"
    " WHERE key = ANY(:keys)"
)


@dataclass(frozen=True, slots=True)
class Due:
    """A batch to send out.

    Attributes:
        keys: Its targets.
        slot: The time of its tick: a part of the batch's identity.
        expires: Seconds after which its targets are due anew.
    """

    keys: list[str]
    slot: str
    expires: float


class Scraper:
    """What one process remembers from tick to tick: the discovery's files and what it told the store.

    Args:
        announce: Called with the name and the labels of each series that got samples, once the store has
            them; may raise.
    """

    def __init__(self, announce: Callable[[Iterable[Series]], None] = lambda _: None) -> None:
        self._announce = announce
        self._ticking = Lock()
        self._recording = BoundedSemaphore(MOST_RECORDING)
        self._jobs: Jobs | None = None
        self._discovery: Discovery | None = None
        self._synced: tuple[Mapping[str, Target], float] | None = None

    def tick(self, now: datetime) -> list[Due]:
        """The batches that are due; none while the store is away, or an earlier tick still hangs in it."""
        if not self._ticking.acquire(blocking=False):
            return []
        try:
            return self._tick(now)
        except (StoreUnavailableError, DBAPIError) as error:
            if isinstance(error, DBAPIError) and not is_outage(error):
                raise
            logger.warning("no tick of the scrapes: %s", redact(str(error)))
            return []
        finally:
            self._ticking.release()

    def _tick(self, now: datetime) -> list[Due]:
        targets = self._discover()
        is_new = self._synced is None or self._synced[0] is not targets
        if not is_new and not targets:
            return []
        with transaction() as connection:
            if is_new or self._synced is None or time.monotonic() - self._synced[1] > RESYNC_SECONDS:
                sync(connection, targets, now)
                self._synced = (targets, time.monotonic())
            claimed = connection.execute(_CLAIM, {"now": now}).all()
        return list(_batches(claimed, f"{now.timestamp():.3f}"))

    def _discover(self) -> dict[str, Target]:
        jobs = get_jobs()
        if self._discovery is None or self._jobs is not jobs:
            self._jobs, self._discovery = jobs, Discovery(jobs)
        return self._discovery.targets()

    def carry_out(self, keys: Sequence[str], slot: str) -> int:
        """Scrape the targets of one batch; returns how many samples went into the store.

        While that is away, what was scraped is lost: a gap in the series.
        """
        try:
            return self._carry_out(keys, slot)
        except (StoreUnavailableError, DBAPIError) as error:
            if isinstance(error, DBAPIError) and not is_outage(error):
                raise
            logger.warning("a scrape of %d targets is lost: %s", len(keys), redact(str(error)))
            return 0

    def _carry_out(self, keys: Sequence[str], slot: str) -> int:
        jobs = get_jobs().by_name
        with transaction() as connection:
            targets = [target for target in _targets(connection, keys) if target.job in jobs]
        pages = [page.read(one) for one in fetch([(target, jobs[target.job]) for target in targets])]
        _complain(pages)
        with self._recording, transaction() as connection:
            written = record.record(connection, record.batch_id(slot, keys), pages, utcnow())
        self._tell(pages)
        return written

    def _tell(self, pages: Sequence[Page]) -> None:
        try:
            self._announce(series for each in pages for series in each.series())
        except Exception as error:  # noqa: BLE001 - whatever a broker raises, the rules have their own time
            logger.warning("the rules were not called: %s", redact(str(error)))


def sync(connection: Connection, targets: Mapping[str, Target], now: datetime) -> None:
    """Make the store's targets those that were discovered; those that are gone end all their series."""
    gone = connection.execute(_DROP, {"keys": list(targets)}).all()
    _end(connection, gone, now)
    connection.execute(
        _SYNC,
        {
            "keys": list(targets),
            "jobs": [target.job for target in targets.values()],
            "urls": [target.url for target in targets.values()],
            "labels": [json.dumps(dict(target.labels)) for target in targets.values()],
            "seconds": [target.interval.total_seconds() for target in targets.values()],
            "timeouts": [target.timeout.total_seconds() for target in targets.values()],
            "due": [first_due(key, target.interval, now) for key, target in targets.items()],
        },
    )


def first_due(key: str, interval: timedelta, now: datetime) -> datetime:
    """When a new target is scraped first: each has its own place in the interval, always the same."""
    due = slot_start(now, interval) + interval * (int(key[:16], 16) / 2**64)
    return due if due >= now else due + interval


def _end(connection: Connection, gone: Sequence[Any], now: datetime) -> None:
    scraped = [row for row in gone if row.scraped_at is not None]
    if not scraped:
        return
    at = now.timestamp()
    samples = record.ends(connection, [(at, np.frombuffer(bytes(row.series), "<i4")) for row in scraped])
    samples += [sample for row in scraped for sample in record.report_ends(row.labels, at)]
    batch = record.batch_id(f"gone:{at:.3f}", [row.key for row in scraped])
    ingest.write_samples(connection, batch, samples, now)


def _batches(claimed: Sequence[Any], slot: str) -> Iterator[Due]:
    """Batches in which nobody waits for somebody much slower."""
    for is_slow in (False, True):
        lane = [row for row in claimed if _is_slow(row) == is_slow]
        for start in range(0, len(lane), LARGEST_BATCH):
            part = lane[start : start + LARGEST_BATCH]
            keys = sorted(row.key for row in part)
            yield Due(keys, slot, min(row.interval_seconds for row in part))


def _is_slow(row: Any) -> bool:
    return bool(row.reason == "timeout" or row.timeout_seconds > SLOW_SECONDS)


def _targets(connection: Connection, keys: Sequence[str]) -> list[Target]:
    return [
        Target(
            row.job,
            row.url,
            row.labels,
            timedelta(seconds=row.interval_seconds),
            timedelta(seconds=row.timeout_seconds),
        )
        for row in connection.execute(_READ, {"keys": list(keys)})
    ]


def _complain(pages: Sequence[Page]) -> None:
    for one in pages:
        if one.error is not None:
            logger.info("%s was not scraped: %s", redact(one.target.url), one.error)
