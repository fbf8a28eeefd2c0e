"""Figures of accounts and platforms."""

import random

from celery import shared_task

from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics.accounts import platforms, repair


@shared_task(name="watchfleet.rollups.publish_platforms")
def publish_platforms() -> int:
    """Compute the figures of every platform; returns how many there are."""
    with transaction() as connection:
        return platforms.publish(connection, utcnow())


@shared_task(name="watchfleet.rollups.verify_days")
def verify_days() -> int:
    """Recompute one of the last days' statistics and compare; returns how many rows differ."""
    return repair.verify_some(get_engine(), utcnow(), random.Random()).different
