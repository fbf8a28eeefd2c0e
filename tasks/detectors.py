"""What goes wrong slowly."""

from celery import shared_task

from watchfleet.budgets import get_budgets
from watchfleet.clock import utcnow
from watchfleet.db.engine import transaction
from watchfleet.detectors import blocking, plans, processes, regressions, server_statements, snapshots
from watchfleet.detectors import budgets as budget_uses
from watchfleet.probes.databases import databases
from watchfleet.settings import get_settings


@shared_task(name="watchfleet.detectors.memory")
def memory() -> int:
    """Look for processes that leak memory, and ask the worst which lines do; returns how many leak."""
    with transaction() as connection:
        leaking = processes.publish(connection, utcnow(), get_settings().memory_leak_bytes_per_hour)
    snapshots.follow_up(leaking, utcnow())
    return len(leaking)


@shared_task(name="watchfleet.detectors.sessions")
def sessions() -> int:
    """Look at what probed databases are doing; returns how many sessions wait for another."""
    return blocking.publish(databases(), utcnow())


@shared_task(name="watchfleet.detectors.queries")
def queries() -> int:
    """Compare queries with the week before; returns how many kinds take twice as long or longer."""
    with transaction() as connection:
        return regressions.publish(connection, utcnow())


@shared_task(name="watchfleet.detectors.statements")
def statements() -> int:
    """Keep what probed databases count of their statements; returns of how many kinds."""
    return server_statements.publish(databases(), utcnow())


@shared_task(name="watchfleet.detectors.plans")
def query_plans() -> int:
    """Keep how probed databases execute the heaviest kinds of queries, if that is on; returns what is new."""
    return plans.publish(databases(), utcnow()) if get_settings().explain_queries else 0


@shared_task(name="watchfleet.detectors.budgets")
def budgets() -> int:
    """Check the performance budgets; returns how many limits are broken."""
    with transaction() as connection:
        return budget_uses.publish(connection, get_budgets(), utcnow())
