"""Samples of what databases are doing, and a record of each chain of sessions that wait for a lock."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from watchfleet import correlation, wire
from watchfleet.clock import slot_start
from watchfleet.db.engine import transaction
from watchfleet.detectors import sessions
from watchfleet.detectors.sessions import Chain, Session
from watchfleet.detectors.visits import each
from watchfleet.metrics import ingest
from watchfleet.model import Activity, Kind, Sample

PERIOD: Final = timedelta(seconds=10)
MOST_CHAINS: Final = 20
"""Chains of one server that are recorded at a time."""
_LONGEST_CHAIN: Final = 500
_STATES: Final = ("active", "idle in transaction", "idle in transaction (aborted)")


def publish(databases: Mapping[str, str], now: datetime) -> int:
    """Look at each database once and write what was seen; returns how many sessions wait for another.

    One that does not answer is left out: that is told by its probe.

    Args:
        databases: Addresses by the name under which they are known.
        now: The present.
    """
    samples: list[Sample] = []
    rows: list[Activity] = []
    for name, seen in each(databases, sessions.read):
        chains = sessions.chains(seen)
        samples += _samples(name, seen, now.timestamp())
        rows += [row for chain in chains[:MOST_CHAINS] for row in _rows(name, chain, now.timestamp())]
    with transaction() as connection:
        batch = wire.pack(samples, (), rows)
        ingest.write(connection, f"sessions:{slot_start(now, PERIOD).isoformat()}", batch, now)
    return sum(int(sample.value) for sample in samples if sample.name == "db_blocked_sessions")


def _samples(name: str, seen: list[Session], at: float) -> Iterator[Sample]:
    def sample(metric: str, value: float, **labels: str) -> Sample:
        return Sample(metric, {"target": name, **labels}, Kind.GAUGE, at, value)

    states = Counter(one.state for one in seen)
    for state in _STATES:
        yield sample("db_sessions", states[state], state=state)
    running = (one.seconds for one in seen if one.state == "active")
    yield sample("db_longest_query_seconds", max(running, default=0.0))
    yield sample("db_blocked_sessions", sum(1 for one in seen if one.blocked_by))


def _rows(name: str, chain: Chain, at: float) -> Iterator[Activity]:
    root = chain.root
    yield Activity("statement", at, correlation.new(), root.fingerprint, {"statement": root.statement})
    fields = {
        "target": name,
        "statement": root.statement,
        "application": root.application,
        "state": root.state,
        "chain": str(chain)[:_LONGEST_CHAIN],
        "waiting": len(chain.waiting),
        "duration": max(one.seconds for one in chain.waiting),
    }
    yield Activity("lock", at, correlation.new(), root.fingerprint, fields)
