"""Probes: what is due, and the batches that check it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from celery import shared_task

from tasks.rules import ringer
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.fleet import location_queue
from watchfleet.probes import rounds
from watchfleet.probes.probe import Target
from watchfleet.probes.recorder import Recorder

recorder = Recorder(transaction, ringer.arrived)


@shared_task(name="watchfleet.probes.dispatch")
def dispatch() -> int:
    """Send out what is due; returns in how many batches."""
    batches = rounds.tick(recorder, utcnow())
    for batch in batches:
        queue = {"queue": location_queue(batch.place)} if batch.place else {}
        arguments = (batch.names, batch.slot, batch.place, batch.due_at)
        run_batch.apply_async(arguments, expires=batch.expires, retry=False, **queue)
    return len(batches)


@shared_task(name="watchfleet.probes.run_batch")
def run_batch(names: list[str], slot: str, place: str = "", due_at: float | None = None) -> dict[str, Any]:
    """Check the targets of one batch; returns what changed, as far as the store has it."""
    recorded = rounds.carry_out(names, slot, recorder, place, due_at)
    return {"changed": recorded.changed, "failing": recorded.failing} if recorded else {"recorded": False}


def check_unasked(targets: Sequence[Target], now: datetime) -> None:
    """Check targets without a message, while none comes."""
    rounds.probe(targets, f"{now.timestamp():.3f}", recorder)
