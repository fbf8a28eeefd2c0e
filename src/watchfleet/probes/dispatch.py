"""Which targets are due: claimed in the store, so that any number of dispatchers may run."""

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, text

from watchfleet.clock import slot_start
from watchfleet.metrics.counters import Tally
from watchfleet.metrics.ingest import STALE, write_samples
from watchfleet.model import Kind, Sample
from watchfleet.probes import places
from watchfleet.probes.dependencies import dependants
from watchfleet.probes.history import end_others
from watchfleet.probes.probe import Target
from watchfleet.probes.reasons import Reason
from watchfleet.probes.record import FAILED_CHECKS, Found, conclude, standing_labels
from watchfleet.probes.registry import kind
from watchfleet.probes.targets import Targets

LARGEST_BULK: Final = 100
LARGEST_BATCH: Final = 16
"""Of checks that need a thread each."""
SLOW_TIMEOUT: Final = timedelta(seconds=5)
MOST_SLOW_BATCHES: Final = 8
RESYNC_SECONDS: Final = 60.0
EARLY: Final = timedelta(milliseconds=500)
"""How much before its time a target is checked at most: with a tick a second, hardly one is checked later
than that after it."""
MISSED: Final = "watchfleet_probe_checks_missed_total"
"""The counter of checks that were due and let pass, as nobody dispatched in time."""
DEPENDANT: Final = "probe_dependant"
"""The metric that tells by its labels which target's failures hide those of which `dependant`; always 1."""

# A target that was not probed in time is probed once; its next time stays on its own grid, on which a check
# in between is none.
_CLAIM: Final = text(
    "WITH due AS (SELECT name, CASE WHEN due_at > :now THEN recheck_at ELSE due_at END AS since,"
    " CASE WHEN due_at > :now THEN 0 ELSE floor(extract(epoch FROM CAST(:now AS timestamptz)"
    " - due_at)::float8 / interval_seconds) END AS missed FROM probe_target"
    " WHERE (due_at <= :now OR recheck_at <= :now) AND (:slow_too OR reason <> 'timeout') FOR UPDATE)"
    " UPDATE probe_target AS target SET recheck_at = NULL, due_at = CASE WHEN due_at > :now THEN due_at"
    " ELSE due_at + make_interval(secs => interval_seconds * (missed + 1)) END"
    " FROM due WHERE target.name = due.name RETURNING target.name, reason, since, missed"
)
_SYNC: Final = text(
    "INSERT INTO probe_target AS old"
    " (name, kind, interval_seconds, severity, labels, depends_on, due_at, status, status_since, failures)"
    " SELECT new.name, new.kind, new.seconds, new.severity, new.labels,"
    " ARRAY(SELECT jsonb_array_elements_text(new.depends_on)), new.due_at, 'unknown', :now, 0"
    " FROM unnest(CAST(:names AS text[]), CAST(:kinds AS text[]), CAST(:seconds AS float8[]),"
    " CAST(:severities AS text[]), CAST(:labels AS jsonb[]), CAST(:parents AS jsonb[]),"
    " CAST(:due AS timestamptz[]))"
    " AS new (name, kind, seconds, severity, labels, depends_on, due_at) ORDER BY new.name"
    " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, interval_seconds = excluded.interval_seconds,"
    " severity = excluded.severity, labels = excluded.labels, depends_on = excluded.depends_on,"
    " due_at = CASE WHEN old.interval_seconds = excluded.interval_seconds THEN old.due_at"
    " ELSE excluded.due_at END"
    " WHERE (old.kind, old.interval_seconds, old.severity, old.labels, old.depends_on) IS DISTINCT FROM"
    " (excluded.kind, excluded.interval_seconds, excluded.severity, excluded.labels, excluded.depends_on)"
)
_KNOWN: Final = text("SELECT name, kind, severity, labels FROM probe_target")
_DROP: Final = text("DELETE FROM probe_target WHERE name <> ALL(CAST(:names AS text[]))")


class Batch(NamedTuple):
    """Targets that are checked together.

    Attributes:
        names: Their names.
        place: From which place; empty for that of the fleet.
        due_at: When the first of them was due.
    """

    names: list[str]
    place: str
    due_at: datetime


class Claimed(NamedTuple):
    """A target that is due.

    Attributes:
        target: The target.
        reason: Why its last check failed; empty if it did not.
        due_at: When it was due.
    """

    target: Target
    reason: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What one tick found.

    Attributes:
        batches: The due targets, in batches that are to be checked together.
        synced: Whether the store was brought in line with the configuration.
        concluded: What the last checks of targets come to of which not every place has reported.
    """

    batches: list[Batch]
    synced: bool
    concluded: list[Found]


_synced: WeakKeyDictionary[Engine, tuple[Targets, float]] = WeakKeyDictionary()


def dispatch(connection: Connection, targets: Targets, now: datetime) -> Dispatched:
    """Claim what is due and put it into batches.

    Args:
        connection: A transaction; commit it before the batches are sent: what is claimed and not sent is
            checked at its next time, what is sent and not claimed would be checked twice.
        targets: The configuration.
        now: The time of the tick.
    """
    synced = _is_due_for_sync(connection.engine, targets)
    if synced:
        sync(connection, targets, now)
        _synced[connection.engine] = (targets, time.monotonic())
    claimed = connection.execute(_CLAIM, {"now": now + EARLY, "slow_too": _slow_turn(targets, now)}).all()
    known = [
        Claimed(targets.by_name[row.name], row.reason, row.since)
        for row in claimed
        if row.name in targets.by_name
    ]
    tally = Tally()
    tally.add(MISSED, sum(row.missed for row in claimed))
    tally.save(connection)
    late = [Found(*one) for one in places.overdue(connection, [one.target for one in known])]
    if late:
        conclude(connection, f"probes:late:{now.timestamp():.3f}", late, now)
    return Dispatched(list(_batches(known)), synced, late)


def sync(connection: Connection, targets: Iterable[Target], now: datetime) -> None:
    """Make the store's targets those of the configuration; what did not change keeps its state."""
    ordered = sorted(targets, key=lambda target: target.name)
    names = [target.name for target in ordered]
    _end_others(connection, ordered, now)
    _tell_dependants(connection, ordered, now)
    end_others(connection, names, now)
    places.forget_others(connection, names)
    connection.execute(_DROP, {"names": names})
    connection.execute(
        _SYNC,
        {
            "now": now,
            "names": names,
            "kinds": [target.kind for target in ordered],
            "seconds": [target.interval.total_seconds() for target in ordered],
            "severities": [str(target.severity) for target in ordered],
            "labels": [json.dumps(dict(target.labels)) for target in ordered],
            "parents": [json.dumps(target.depends_on) for target in ordered],
            "due": [first_due(target, now) for target in ordered],
        },
    )


def _tell_dependants(connection: Connection, targets: Sequence[Target], now: datetime) -> None:
    """Write whom each target hides while it fails, so that its alert can say so."""
    at = now.timestamp()
    hidden = dependants((target.name, target.depends_on) for target in targets)
    samples = [
        Sample(DEPENDANT, {"target": name, "dependant": one}, Kind.GAUGE, at, 1.0)
        for name, others in hidden.items()
        for one in others
    ]
    if samples:
        write_samples(connection, f"probes:dependants:{at:.3f}", samples, now)


def _end_others(connection: Connection, targets: Sequence[Target], now: datetime) -> None:
    """End the standing of targets that are gone or have other labels, so that no alert goes by it."""
    kept = {frozenset(standing_labels(target).items()) for target in targets}
    known = [standing_labels(row) for row in connection.execute(_KNOWN)]
    ended = [labels for labels in known if frozenset(labels.items()) not in kept]
    if ended:
        at = now.timestamp()
        samples = [Sample(FAILED_CHECKS, labels, Kind.GAUGE, at, STALE) for labels in ended]
        write_samples(connection, f"probes:ended:{at:.3f}", samples, now)


def first_due(target: Target, now: datetime) -> datetime:
    """When a new target is checked first: the fleet's own at once, others spread over their interval.

    A target's place in the interval follows from its name, and so stays the same.
    """
    if target.own:
        return now
    digest = int.from_bytes(blake2b(target.name.encode(), digest_size=8).digest())
    due = slot_start(now, target.interval) + target.interval * (digest / 2**64)
    return due if due >= now else due + target.interval


def _is_due_for_sync(engine: Engine, targets: Targets) -> bool:
    """At a process's first tick, when the configuration changed, and now and then lest the two part."""
    known, at = _synced.get(engine, (None, 0.0))
    return known is not targets or time.monotonic() - at > RESYNC_SECONDS


def _slow_turn(targets: Targets, now: datetime) -> bool:
    """Whether targets that timed out last time have their turn in this second.

    Each of their batches may take the longest timeout; with a turn a second, that many would run at once.
    """
    longest = max((target.timeout.total_seconds() for target in targets), default=0.0)
    return int(now.timestamp()) % max(1, math.ceil(longest / MOST_SLOW_BATCHES)) == 0


def _batches(claimed: Sequence[Claimed]) -> Iterator[Batch]:
    """Batches in which nobody waits for somebody much slower."""
    lanes: dict[tuple[bool, bool, str, str], list[tuple[str, datetime]]] = defaultdict(list)
    for target, reason, due_at in claimed:
        bulk = target.kind if kind(target.kind).bulk else ""
        slow = not target.own and (reason == Reason.TIMEOUT or target.timeout > SLOW_TIMEOUT)
        for place in target.locations or ("",):
            lanes[not target.own, slow, bulk, place].append((target.name, due_at))
    for (_, _, bulk, place), members in sorted(lanes.items()):
        size = LARGEST_BULK if bulk else LARGEST_BATCH
        for start in range(0, len(members), size):
            some = members[start : start + size]
            yield Batch(sorted(name for name, _ in some), place, min(due_at for _, due_at in some))
