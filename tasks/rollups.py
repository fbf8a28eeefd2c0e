"""Rollups of what came in."""

import random
from typing import Final

from celery import shared_task

from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine
from watchfleet.metrics import rollup_verify, rollups

VERIFIED: Final = 0.001
"""The share of each tier's slices that an hour's verification recomputes."""


@shared_task(name="watchfleet.rollups.advance")
def advance() -> None:
    """Bring every tier up to date."""
    rollups.drain(get_engine(), utcnow())


@shared_task(name="watchfleet.rollups.verify")
def verify() -> int:
    """Recompute some slices and count those that differ; returns how many do."""
    return rollup_verify.verify(get_engine(), VERIFIED, random.Random()).different
