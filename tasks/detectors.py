"""What goes wrong slowly."""

from celery import shared_task

from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.detectors import processes
from watchfleet.settings import get_settings


@shared_task(name="watchfleet.detectors.memory")
def memory() -> int:
    """Look for processes that leak memory; returns how many do."""
    with transaction() as connection:
        return processes.publish(connection, utcnow(), get_settings().memory_leak_bytes_per_hour)
