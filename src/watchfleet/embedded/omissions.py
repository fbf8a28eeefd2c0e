"""What of the configuration a fleet goes without, because it cannot be used."""

from watchfleet.budgets import get_budgets
from watchfleet.probes.scrape.config import get_jobs
from watchfleet.probes.targets import get_targets
from watchfleet.redact import redact


def omissions() -> list[str]:
    """A line for each fault of a target, a job that scrapes or a budget: file, line, mend and consequence."""
    return [redact(fault) for one in (get_targets, get_jobs, get_budgets) for fault in one.faults()]
