"""Write what a batch found into the store: samples, and each target's standing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, text

from watchfleet.metrics.ingest import write_samples
from watchfleet.model import Kind, ProbeResult, Sample, Status
from watchfleet.probes.probe import Target

# A target's standing never goes back in time, and a batch that comes twice changes nothing the second time.
_STANDING: Final = text(
    "UPDATE probe_target AS old SET status = new.status, reason = new.reason, detail = new.detail,"
    " checked_at = new.checked_at,"
    " status_since = CASE WHEN old.status = new.status THEN old.status_since ELSE new.checked_at END,"
    " failures = CASE new.status WHEN 'down' THEN old.failures + 1"
    " WHEN 'unknown' THEN old.failures ELSE 0 END"
    " FROM unnest(CAST(:names AS text[]), CAST(:statuses AS text[]), CAST(:reasons AS text[]),"
    " CAST(:details AS text[]), CAST(:checked AS timestamptz[]))"
    " AS new (name, status, reason, detail, checked_at)"
    " WHERE old.name = new.name AND (old.checked_at IS NULL OR old.checked_at < new.checked_at)"
    " RETURNING old.name, old.status_since = old.checked_at AS changed, old.status_since, old.checked_at,"
    " old.failures, old.reason, old.detail"
)


FAILED_CHECKS: Final = "probe_failed_checks"
"""The metric of how many checks of a target failed in a row."""
FAILURE: Final = "probe_failure"
"""The metric that tells by its label `reason` why a target's last check failed; its value is always 1."""
TROUBLED: Final = timedelta(minutes=10)
"""How long after a change of its status each check of a target tells how many failed in a row."""

Series = tuple[str, Mapping[str, str]]
"""The name and the labels of a series."""


class Found(NamedTuple):
    """A target and what its check found."""

    target: Target
    result: ProbeResult


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a batch changed.

    Attributes:
        changed: Whether any target's status is another than before.
        failing: How many of the targets are failing.
        series: The series that got samples.
    """

    changed: bool = False
    failing: int = 0
    series: tuple[Series, ...] = field(default=(), compare=False)


def batch_id(slot: str, names: Sequence[str]) -> str:
    """The identity of one batch of one tick: the same when its message comes twice."""
    digest = blake2b("\n".join(sorted(names)).encode(), digest_size=8).hexdigest()
    return f"probes:{slot}:{digest}"


def record(connection: Connection, batch: str, found: Sequence[Found], now: datetime) -> Recorded:
    """Write results into the store.

    Args:
        connection: The transaction that is to hold them.
        batch: The batch's id.
        found: The results.
        now: The present.
    """
    if not found:
        return Recorded()
    written = list(samples(found))
    write_samples(connection, batch, written, now)
    results = [result for _, result in found]
    rows = connection.execute(
        _STANDING,
        {
            "names": [result.target for result in results],
            "statuses": [str(result.status) for result in results],
            "reasons": [result.reason for result in results],
            "details": [result.detail for result in results],
            "checked": [result.checked_at for result in results],
        },
    ).all()
    standings = list(_standings(found, rows))
    if standings:
        write_samples(connection, f"{batch}:standing", standings, now)
    series = tuple((one.name, one.labels) for one in (*written, *standings))
    return Recorded(any(row.changed for row in rows), sum(row.failures > 0 for row in rows), series)


def _standings(found: Sequence[Found], rows: "Sequence[Row[Any]]") -> Iterator[Sample]:
    """How many checks in a row failed, of each target that is or lately was in trouble."""
    targets = {target.name: target for target, _ in found}
    for row in rows:
        if row.failures or row.checked_at - row.status_since < TROUBLED:
            target = targets[row.name]
            labels, at = standing_labels(target), row.checked_at.timestamp()
            yield Sample(FAILED_CHECKS, labels, Kind.GAUGE, at, float(row.failures))
            if row.failures and row.reason:
                verdict = {"target": target.name, "kind": target.kind, "reason": row.reason}
                yield Sample(FAILURE, verdict, Kind.GAUGE, at, 1.0)


def standing_labels(target: "Target | Row[Any]") -> dict[str, str]:
    """The labels of a target's `probe_failed_checks`, which are those of an alert about it.

    Args:
        target: A target, or its row in the store.
    """
    own = {"target": target.name, "kind": target.kind, "severity": str(target.severity)}
    return {**target.labels, **own}


def samples(found: Sequence[Found]) -> Iterator[Sample]:
    """The samples that results make; a check that could not be made says nothing of its target."""
    for target, result in found:
        if result.status is Status.UNKNOWN:
            continue
        ts = result.checked_at.timestamp()
        labels = {**target.labels, "target": target.name}
        verdict = {**labels, "kind": target.kind}
        yield Sample("probe_success", verdict, Kind.GAUGE, ts, float(result.ok))
        yield Sample("probe_duration_seconds", verdict, Kind.GAUGE, ts, result.duration)
        for name, value, more in result.values:
            yield Sample(name, {**labels, **more}, Kind.GAUGE, ts, value)
