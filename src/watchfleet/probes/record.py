"""Write what a batch found into the store: samples, and each target's standing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

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
    " RETURNING old.status_since = old.checked_at AS changed, old.failures"
)


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
    """

    changed: bool = False
    failing: int = 0

    @property
    def matters(self) -> bool:
        """Whether the alert rules should look at once."""
        return self.changed or self.failing > 0


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
    write_samples(connection, batch, list(samples(found)), now)
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
    return Recorded(any(row.changed for row in rows), sum(row.failures > 0 for row in rows))


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
