"""Alert rules."""

from celery import shared_task

from tasks.alerts import wake
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.notify.policy import get_policy
from watchfleet.rules import evaluate as rules
from watchfleet.settings import get_settings


@shared_task(name="watchfleet.rules.evaluate", time_limit=120, soft_time_limit=110)
def evaluate() -> dict[str, int]:
    """Evaluate the rules once; returns how many alerts changed and how many rules failed."""
    policy = get_policy(get_settings())
    with transaction() as connection:
        done = rules.evaluate(connection, utcnow(), policy)
    wake(done.wake)
    return {"transitions": len(done.transitions), "failed": len(done.failed)}
