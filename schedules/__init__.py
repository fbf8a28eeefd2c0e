"""The beat schedule as data: which task runs how often, and how long its message stays fresh."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Entry:
    """One periodic task.

    Attributes:
        task: The task's name, also the entry's name and the key of its override in `schedules:`.
        period: Time between two runs.
        why: What goes wrong when it does not run.
        idle: Time between two runs while nothing is configured for it; the same if not given.
    """

    task: str
    period: timedelta
    why: str
    idle: timedelta | None = None

    @property
    def queue(self) -> str:
        """The queue of the task's concern: `watchfleet.probes` for `watchfleet.probes.dispatch`."""
        return self.task.rpartition(".")[0]


ENTRIES: Final = (
    Entry("watchfleet.probes.dispatch", timedelta(seconds=1), "nothing is probed"),
    Entry(
        "watchfleet.probes.scrape_dispatch",
        timedelta(seconds=1),
        "no target of `scrape` is scraped",
        idle=timedelta(minutes=1),  # to end the series of targets that were configured before
    ),
    Entry("watchfleet.rules.evaluate", timedelta(seconds=1), "no alert fires or resolves"),
    Entry("watchfleet.rollups.advance", timedelta(seconds=30), "long ranges are read from raw samples"),
    Entry("watchfleet.rollups.verify", timedelta(hours=1), "a rollup that is wrong stays unnoticed"),
    Entry(
        "watchfleet.rollups.publish_platforms",
        timedelta(seconds=15),
        "`/metrics` and rules see no accounts, no freshness and no followers",
    ),
    Entry(
        "watchfleet.rollups.verify_days", timedelta(hours=1), "daily statistics that are wrong stay unnoticed"
    ),
    Entry("watchfleet.detectors.memory", timedelta(minutes=2), "a process that leaks memory goes unseen"),
    Entry("watchfleet.detectors.queries", timedelta(minutes=4), "a query that got slower goes unseen"),
    Entry(
        "watchfleet.detectors.statements",
        timedelta(minutes=1),
        "queries of other clients go unseen",
    ),
    Entry("watchfleet.detectors.plans", timedelta(minutes=10), "a query plan that changes goes unseen"),
    Entry(
        "watchfleet.detectors.budgets",
        timedelta(minutes=1),
        "a performance budget that is broken goes unseen",
    ),
    Entry("watchfleet.detectors.sessions", timedelta(seconds=10), "who blocks whom in databases goes unseen"),
    Entry("watchfleet.upkeep.sweep_outbox", timedelta(seconds=5), "a notification that a broker lost waits"),
    Entry("watchfleet.upkeep.clean_logs", timedelta(minutes=1), "old log files fill the disk"),
    Entry("watchfleet.upkeep.check_outbox", timedelta(minutes=1), "a notification that vanished goes unseen"),
    Entry("watchfleet.upkeep.check_in", timedelta(minutes=1), "Sentry sees no check-ins of periodic tasks"),
    Entry(
        "watchfleet.upkeep.observe",
        timedelta(seconds=15),
        "rules and queries see nothing of the fleet itself",
    ),
    Entry(
        "watchfleet.upkeep.observe_breakers",
        timedelta(seconds=15),
        "rules and queries see no circuit breakers",
    ),
    Entry("watchfleet.upkeep.prune_history", timedelta(hours=1), "the history of alerts grows for ever"),
    Entry("watchfleet.upkeep.keep_partitions", timedelta(hours=1), "ingest finds no partition for a new day"),
)


def beat_schedule(periods: Mapping[str, timedelta], idle: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """The entries in Celery's form, each with its queue and its expiry.

    A message is fresh for one period, so that a stopped worker's backlog never floods it.

    Args:
        periods: Other periods, by task name.
        idle: The tasks for which nothing is configured.

    Raises:
        ValueError: A period is given for a task that is not scheduled, or is not positive.
    """
    unknown = set(periods).difference(entry.task for entry in ENTRIES)
    if unknown:
        raise ValueError(
            f"schedules: no periodic task is named {', '.join(sorted(unknown))}; "
            f"there are {', '.join(entry.task for entry in ENTRIES)}"
        )
    given = {entry.task: entry.idle for entry in ENTRIES if entry.idle and entry.task in idle} | dict(periods)
    return {entry.task: _celery_form(entry, given.get(entry.task, entry.period)) for entry in ENTRIES}


def _celery_form(entry: Entry, period: timedelta) -> dict[str, Any]:
    if period <= timedelta(0):
        raise ValueError(f"schedules: {entry.task} has the period {period}; it must be positive")
    options = {"queue": entry.queue, "expires": period.total_seconds()}
    return {"task": entry.task, "schedule": period, "options": options}
