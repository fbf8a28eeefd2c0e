"""Alert rules."""

from celery import shared_task

from tasks.alerts import wake
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.notify.receivers import default_receiver
from watchfleet.rules import evaluate as rules
from watchfleet.settings import get_settings


@shared_task(name="watchfleet.rules.evaluate", time_limit=120, soft_time_limit=110)
def evaluate() -> dict[str, int]:
    """Evaluate the rules once; returns how many alerts changed and how many rules failed."""
    destinations = default_receiver(get_settings()).destinations()
    with transaction() as connection:
        done = rules.evaluate(connection, utcnow(), destinations)
    wake(done.wake)
    return {"transitions": len(done.transitions), "failed": len(done.failed)}
