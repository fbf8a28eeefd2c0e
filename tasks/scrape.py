"""Scrapes: which targets are due, and the batches that scrape them."""

from typing import Final

from celery import shared_task

from tasks.rules import ringer
from watchfleet.clock import utcnow
from watchfleet.probes.scrape.rounds import Scraper

scraper: Final = Scraper(ringer.arrived)


@shared_task(name="watchfleet.probes.scrape_dispatch")
def dispatch() -> int:
    """Send out what is due; returns in how many batches."""
    batches = scraper.tick(utcnow())
    for batch in batches:
        run_batch.apply_async((batch.keys, batch.slot), expires=batch.expires, retry=False)
    return len(batches)


@shared_task(name="watchfleet.probes.scrape_batch")
def run_batch(keys: list[str], slot: str) -> int:
    """Scrape the targets of one batch; returns how many samples that were."""
    return scraper.carry_out(keys, slot)
