"""Write what a batch found into the store: samples, and each target's standing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row

from watchfleet.metrics.ingest import write_samples
from watchfleet.model import Kind, ProbeResult, Sample, Status
from watchfleet.probes import places
from watchfleet.probes.history import note
from watchfleet.probes.probe import Target
from watchfleet.probes.standings import Move, advance

FAILED_CHECKS: Final = "probe_failed_checks"
"""The metric of how many checks of a target failed in a row, and count."""
FAILURE: Final = "probe_failure"
"""The metric that tells by its label `reason` why a target's last check failed; its value is always 1."""
LAG: Final = "watchfleet_probe_lag_seconds"
"""The metric of how much later than it was due each batch began: that of its first target."""
TROUBLED: Final = timedelta(minutes=10)
"""How long after a change of its status each check of a target tells how many failed in a row."""

Series = tuple[str, Mapping[str, str]]
"""The name and the labels of a series."""


class Found(NamedTuple):
    """A target and what its check found.

    Attributes:
        target: The target.
        result: What was found.
        place: From where, if it is checked from several places.
    """

    target: Target
    result: ProbeResult
    place: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a batch changed.

    Attributes:
        changed: Whether any target's status is another than before.
        failing: How many of the targets are failing.
        series: The series that got samples.
        concluded: Targets of which all places have reported, and what that comes to.
    """

    changed: bool = False
    failing: int = 0
    series: tuple[Series, ...] = field(default=(), compare=False)
    concluded: tuple[Found, ...] = field(default=(), compare=False)


def batch_id(slot: str, names: Sequence[str], place: str = "") -> str:
    """The identity of one batch of one tick at one place: the same when its message comes twice."""
    digest = blake2b("\n".join(sorted(names)).encode(), digest_size=8).hexdigest()
    return f"probes:{slot}:{digest}{place and ':'}{place}"


def record(
    connection: Connection, batch: str, found: Sequence[Found], now: datetime, lag: float | None = None
) -> Recorded:
    """Write results into the store.

    Args:
        connection: The transaction that is to hold them.
        batch: The batch's id.
        found: The results.
        now: The present.
        lag: How many seconds after it was due the batch began.
    """
    if not found:
        return Recorded()
    written = list(samples(found))
    if lag is not None:
        written.append(Sample(LAG, {}, Kind.DURATION, found[0].result.checked_at.timestamp(), lag))
    write_samples(connection, batch, written, now)
    concluded = [Found(*one) for one in places.report(connection, [one for one in found if one.place])]
    here = [one for one in found if not one.place]
    recorded = conclude(connection, batch, [*here, *concluded], now)
    series = tuple((one.name, one.labels) for one in written)
    return replace(recorded, series=(*series, *recorded.series), concluded=tuple(concluded))


def conclude(connection: Connection, batch: str, found: Sequence[Found], now: datetime) -> Recorded:
    """Bring the standing of targets up to date, and tell of those that are or lately were in trouble."""
    moves = advance(connection, [(one.target, one.result) for one in found], now)
    note(connection, moves)
    standings = [sample for move in moves for sample in _standing_samples(move)]
    if standings:
        write_samples(connection, f"{batch}:standing", standings, now)
    series = tuple((one.name, one.labels) for one in standings)
    changed, failing = any(move.changed for move in moves), sum(move.now.failures > 0 for move in moves)
    return Recorded(changed, failing, series)


def _standing_samples(move: Move) -> Iterator[Sample]:
    """How many checks in a row failed and count, of a target that is or lately was in trouble."""
    target, now, at = move.target, move.now, move.result.checked_at
    if now.failures or at - now.since < TROUBLED:
        labels = standing_labels(target)
        yield Sample(FAILED_CHECKS, labels, Kind.GAUGE, at.timestamp(), float(now.failures))
        if now.failures and now.reason:
            verdict = {"target": target.name, "kind": target.kind, "reason": now.reason}
            yield Sample(FAILURE, verdict, Kind.GAUGE, at.timestamp(), 1.0)


def standing_labels(target: "Target | Row[Any]") -> dict[str, str]:
    """The labels of a target's `probe_failed_checks`, which are those of an alert about it.

    Args:
        target: A target, or its row in the store.
    """
    own = {"target": target.name, "kind": target.kind, "severity": str(target.severity)}
    return {**target.labels, **own}


def samples(found: Sequence[Found]) -> Iterator[Sample]:
    """The samples that results make; one that was not made or does not count says nothing of its target."""
    for target, result, place in found:
        if result.status in {Status.UNKNOWN, Status.MAINTENANCE}:
            continue
        ts = result.checked_at.timestamp()
        labels = {**target.labels, "target": target.name, **({"location": place} if place else {})}
        verdict = {**labels, "kind": target.kind}
        yield Sample("probe_success", verdict, Kind.GAUGE, ts, float(result.ok))
        yield Sample("probe_duration_seconds", verdict, Kind.GAUGE, ts, result.duration)
        for name, value, more in result.values:
            yield Sample(name, {**labels, **more}, Kind.GAUGE, ts, value)
