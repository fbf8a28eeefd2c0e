"""Samples that applications send."""

from functools import partial
from typing import Any, Final

from celery import Task, shared_task

from tasks.rules import ringer
from watchfleet.clock import utcnow
from watchfleet.db.engine import in_transaction
from watchfleet.errors import StoreUnavailableError
from watchfleet.fleet import INGEST_TASK
from watchfleet.metrics import ingest
from watchfleet.rules.bell import of_entries

PATIENCE: Final = 200.0
"""Seconds that a batch waits for the store where it is, within the time limit; others wait in the queue."""


@shared_task(bind=True, name=INGEST_TASK, retry_on_worker_lost=True, max_retries=3)
def write(self: Task, batch_id: str, batch: Any) -> None:
    """Store a batch, once; it goes back to the queue when the store is away for long."""
    try:
        written = in_transaction(
            partial(ingest.write, batch_id=batch_id, batch=batch, now=utcnow()), PATIENCE
        )
    except StoreUnavailableError:
        self.apply_async((batch_id, batch), task_id=self.request.id)
    else:
        ringer.arrived(of_entries(written.series))
