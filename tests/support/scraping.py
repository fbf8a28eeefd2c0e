"""Scrapes as the fleet makes them, in this process: a tick a tenth of a second, each batch on a thread."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.probes.scrape.rounds import Scraper

Key = tuple[tuple[str, str], ...]
_MARKER = r"'\x7ff0000000000002'"


def key_of(name: str, labels: dict[str, str]) -> Key:
    return tuple(sorted({"__name__": name, **labels}.items()))


def once(scraper: Scraper | None = None) -> int:
    """Scrape every target at once, whenever it is due; gives how many samples that were."""
    scraper = scraper or Scraper()
    scraper.tick(utcnow())  # brings the store's targets in line
    with transaction() as connection:
        connection.execute(text("UPDATE scrape_target SET due_at = now() - interval '1 s'"))
    batches = scraper.tick(utcnow())
    return sum(scraper.carry_out(batch.keys, batch.slot) for batch in batches)


@contextmanager
def scraping() -> Iterator[None]:
    """Scrape what is due until the block ends."""
    scraper, ended = Scraper(), threading.Event()

    def run() -> None:
        with ThreadPoolExecutor(4) as pool:
            while not ended.wait(0.1):
                for batch in scraper.tick(utcnow()):
                    pool.submit(scraper.carry_out, batch.keys, batch.slot)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def now() -> dict[Key, float]:
    """The newest value of every series that has not ended."""
    rows = _rows(
        "SELECT * FROM (SELECT DISTINCT ON (series_id) series_id, value FROM samples"
        " ORDER BY series_id, ts DESC) AS newest JOIN series ON id = series_id"
        f" WHERE float8send(value) <> {_MARKER}"
    )
    return {key_of(row.name, row.labels): row.value for row in rows}


def samples() -> dict[Key, list[tuple[float, float]]]:
    """Every sample but staleness markers, as time and value, by series."""
    found: dict[Key, list[tuple[float, float]]] = {}
    for row in _rows(
        "SELECT name, labels, extract(epoch FROM ts) AS ts, value FROM samples JOIN series ON id = series_id"
        f" WHERE float8send(value) <> {_MARKER} ORDER BY ts"
    ):
        found.setdefault(key_of(row.name, row.labels), []).append((float(row.ts), row.value))
    return found


def ended() -> set[Key]:
    """The series whose newest sample is a staleness marker."""
    rows = _rows(
        "SELECT name, labels FROM (SELECT DISTINCT ON (series_id) series_id, value FROM samples"
        " ORDER BY series_id, ts DESC) AS newest JOIN series ON id = series_id"
        f" WHERE float8send(value) = {_MARKER}"
    )
    return {key_of(row.name, row.labels) for row in rows}


def rejected() -> list[str]:
    """Why samples were turned away, each reason once."""
    return [row.reason for row in _rows("SELECT DISTINCT reason FROM ingest_rejects")]


def _rows(query: str) -> list[Any]:
    with transaction() as connection:
        return list(connection.execute(text(query)))
