"""Rollups of what came in."""

from celery import shared_task

from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine
from watchfleet.metrics import rollups


@shared_task(name="watchfleet.rollups.advance")
def advance() -> None:
    """Bring every tier up to date."""
    rollups.drain(get_engine(), utcnow())
