"""The fleet's own figures as samples, so that rules can watch them and their history is kept."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select

from watchfleet.clock import slot_start
from watchfleet.db.tables import probe_target
from watchfleet.metrics.counters import totals
from watchfleet.metrics.ingest import write_samples
from watchfleet.model import Kind, Sample, Status
from watchfleet.notify.accounts import accounting
from watchfleet.probes.record import FAILED_CHECKS, standing_labels
from watchfleet.rules.library import Library
from watchfleet.rules.listing import listed

PERIOD: Final = timedelta(seconds=15)
"""A period has one set of samples, however often it is written."""
STANDING_PERIOD: Final = timedelta(minutes=1)
"""How often each target's standing is written, beside its checks while it is in trouble: more often than
PromQL's look-back ends."""
_JUDGED: Final = (Status.UP, Status.DEGRADED, Status.DOWN)


def observe(connection: Connection, library: Library, now: datetime) -> int:
    """Write the fleet's figures; returns how many samples that are.

    Args:
        connection: A transaction.
        library: The rules.
        now: The present.
    """
    at = now.timestamp()
    figures = rule_figures(connection, library, now)
    samples = [
        *_notifications(connection, at),
        *_counters(connection, at),
        *(Sample(name, {}, Kind.GAUGE, at, value) for name, value in figures.items()),
    ]
    batch = f"vitals:{slot_start(now, PERIOD).isoformat()}"
    written = write_samples(connection, batch, samples, now).accepted
    standings = list(_standings(connection, now))
    if standings:
        batch = f"standings:{slot_start(now, STANDING_PERIOD).isoformat()}"
        written += write_samples(connection, batch, standings, now).accepted
    return written


def _notifications(connection: Connection, at: float) -> Iterator[Sample]:
    for state, count in accounting(connection).items():
        yield Sample("watchfleet_notifications", {"state": state}, Kind.GAUGE, at, float(count))


def _counters(connection: Connection, at: float) -> Iterator[Sample]:
    for total in totals(connection):
        if not total.name.startswith("watchfleet_"):  # others are samples already
            continue
        yield Sample(total.name, total.labels, Kind.COUNTER, at, total.value)


def rule_figures(connection: Connection, library: Library, now: datetime) -> dict[str, float]:
    """How many rules there are, how many of them find no series or fail, and what is wrong with files."""
    rules = [one for group in listed(connection, library, now) for one in group.rules if one.rule.enabled]
    return {
        "watchfleet_rules": float(len(rules)),
        "watchfleet_rules_dead": float(sum(one.is_dead for one in rules)),
        "watchfleet_rules_failing": float(sum(bool(one.state and one.state.error) for one in rules)),
        "watchfleet_rule_file_problems": float(len(library.problems)),
    }


def _standings(connection: Connection, now: datetime) -> Iterator[Sample]:
    """The standing of each target, not later than its next check may be."""
    rows = connection.execute(select(probe_target).where(probe_target.c.status.in_(_JUDGED))).all()
    for row in rows:
        at = row.checked_at if now - row.checked_at < STANDING_PERIOD else now
        yield Sample(FAILED_CHECKS, standing_labels(row), Kind.GAUGE, at.timestamp(), float(row.failures))
