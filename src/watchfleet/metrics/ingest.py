"""Samples into the store, each batch once.

One transaction holds the batch's id, its samples, the marks of the slices that they touch, what was rejected
and what it adds to the counters. A batch that comes again, because a worker died between the commit and its
acknowledgement or because the broker delivered twice, finds its id and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg2.errors import CheckViolation
from sqlalchemy import Connection

from watchfleet.db import partitions
from watchfleet.db.copy import Layout, copy_in, copy_out
from watchfleet.db.locks import Lock, wait_lock
from watchfleet.metrics import activity, batches, business, events, marks
from watchfleet.metrics.accounts import once
from watchfleet.metrics.batches import Written
from watchfleet.metrics.decode import BatchError, Decoded, decode, of_samples
from watchfleet.metrics.rejects import Rejects
from watchfleet.metrics.series import Resolved, resolve
from watchfleet.metrics.sketch import Floats, Ints
from watchfleet.model import Activity, Event, Kind, Sample
from watchfleet.settings import get_settings

AHEAD: Final = timedelta(minutes=10)
"""How far a sample may be ahead of our clock."""

STALE_NAN: Final = 0x7FF0_0000_0000_0002
"""The bits of Prometheus's staleness marker, which any series may end with."""
STALE: Final[float] = np.array([STALE_NAN], np.int64).view(np.float64)[0].item()
"""The marker itself."""

_SAMPLES: Final = Layout([("series_id", "i4"), ("ts", "ts"), ("value", "f8")])
_INSTANTS: Final = Layout([("series_id", "i4"), ("ts", "ts")])
_DAY: Final = 86_400_000_000


def write(
    connection: Connection, batch_id: str, batch: Any, now: datetime, *, dedupe: bool = False
) -> Written:
    """Store a batch, unless it is in already.

    A batch of another form than `watchfleet.wire` describes is recorded and refused, never raised: it would
    only come again.

    Args:
        connection: The transaction that is to hold the batch.
        batch_id: The same at every delivery of this batch, and of no other.
        batch: A `wire.Batch`; may be anything, as it comes from outside.
        now: The present.
        dedupe: Leave out samples of a series and an instant that the store has, as long as every source of
            these series is written so. What is in stays as it is.
    """
    try:
        decoded = decode(batch)
    except BatchError as error:
        return _refuse(connection, batches.identity(batch_id), error.reason, now)
    return write_decoded(connection, batches.identity(batch_id), decoded, now, dedupe=dedupe)


def write_samples(
    connection: Connection,
    batch_id: str,
    samples: Sequence[Sample],
    now: datetime,
    *,
    dedupe: bool = False,
) -> Written:
    """Store samples of our own, as `write` does a batch."""
    return write_decoded(connection, batches.identity(batch_id), of_samples(samples), now, dedupe=dedupe)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """The samples that go into the store, and how many of those that were sent are good."""

    series: Ints
    ts: Ints
    value: Floats
    overflows: NDArray[np.bool_]
    sent: int

    def only(self, kept: NDArray[np.bool_]) -> "_Accepted":
        return replace(
            self,
            series=self.series[kept],
            ts=self.ts[kept],
            value=self.value[kept],
            overflows=self.overflows[kept],
        )

    @property
    def days(self) -> set[date]:
        if not len(self.ts):
            return set()
        first, last = (at // _DAY for at in batches.span(self.ts))
        days = range(first, last + 1) if last - first < 2 else np.unique(self.ts // _DAY).tolist()
        return {marks.instant(day * _DAY).date() for day in days}


@dataclass(frozen=True, slots=True)
class _Checked:
    """A batch that is ready to be stored."""

    id: str
    accepted: _Accepted
    reports: Sequence[Event]
    done: Sequence[Activity]
    rejects: Rejects
    written: Written


def write_decoded(
    connection: Connection, batch_id: str, decoded: Decoded, now: datetime, *, dedupe: bool = False
) -> Written:
    """Store what is in columns already, as `write` does a batch."""
    rejects = Rejects()
    oldest, newest = now - get_settings().retention_raw, now + AHEAD
    reports = events.check(decoded.events, rejects, oldest.timestamp(), newest.timestamp())
    known, reports = len(reports), once.new(connection, reports, now)
    done = activity.check(decoded.activity, rejects, oldest.timestamp(), newest.timestamp())
    whole = events.with_samples(decoded, reports)
    resolved = resolve(connection, whole.series)
    accepted = _accept(whole, len(decoded.index), resolved, (oldest, newest), rejects)
    _make_partitions(connection, accepted, reports, done)
    kept, repeated = accepted.sent + known + len(done), known - len(reports)
    if dedupe:
        accepted, again = _without_repeated(connection, accepted)
        repeated += again
    written = Written(
        accepted=kept - repeated,
        rejected=len(decoded.index) + len(decoded.events) + len(decoded.activity) - kept,
        repeated=repeated,
        overflowed=int(accepted.overflows.sum()),
        reasons=dict(rejects.counts),
        series=whole.series,
    )
    checked = _Checked(batch_id, accepted, reports, done, rejects, written)
    try:
        return _save(connection, checked, now)
    except CheckViolation:
        # Someone dropped a partition that this process knew.
        batches.leave(connection)
        partitions.forget(connection.engine)
        _make_partitions(connection, accepted, reports, done)
        return _save(connection, checked, now)


def _save(connection: Connection, batch: _Checked, now: datetime) -> Written:
    accepted = batch.accepted
    samples = batches.Samples(accepted.ts, accepted.series)
    if not batches.enter(connection, batch.id, batch.written, now, samples):
        return Written(duplicate=True)
    if len(accepted.ts):
        rows = _SAMPLES.pack({"series_id": accepted.series, "ts": accepted.ts, "value": accepted.value})
        copy_in(connection, "samples", ("series_id", "ts", "value"), rows)
    business.apply(connection, batch.reports)
    activity.apply(connection, batch.done, batch.rejects)
    batch.rejects.save(connection, batch.id)
    return batch.written


def _refuse(connection: Connection, batch_id: str, reason: str, now: datetime) -> Written:
    rejects = Rejects()
    rejects.keep(reason, {"batch": "could not be read"})
    written = Written(refused=reason)
    if not batches.enter(connection, batch_id, written, now):
        return Written(duplicate=True)
    rejects.save(connection, batch_id)
    return written


def _accept(
    decoded: Decoded, sent: int, resolved: Resolved, span: tuple[datetime, datetime], rejects: Rejects
) -> _Accepted:
    index, ts, value = decoded.index, decoded.ts, decoded.value
    checks = {
        "bad_series": resolved.ids[index] < 0,
        "too_old": ts < marks.microseconds(span[0]),
        "too_new": ts > marks.microseconds(span[1]),
        "not_finite": _not_finite(decoded, resolved),
        "negative": (value < 0) & resolved.of_kind(Kind.COUNTER, Kind.DURATION)[index],
    }
    good = np.ones(len(index), bool)
    for reason, mask in checks.items():
        if mask.any():
            _reject(decoded, resolved, reason, np.flatnonzero(mask & good), rejects)
            good &= ~mask
    kept = slice(None) if good.all() else good
    overflows = resolved.overflowed[index[kept]]
    ids = resolved.ids[index[kept]]
    return _Accepted(ids, ts[kept], value[kept], overflows, int(good[:sent].sum()))


def _without_repeated(connection: Connection, accepted: _Accepted) -> tuple[_Accepted, int]:
    """The samples that are new, and how many are not.

    Who writes like that waits for the one before: what it is about to commit must be seen. Samples of a
    series that counts others together tell nothing apart and stay.
    """
    if not len(accepted.ts):
        return accepted, 0
    wait_lock(connection, Lock.DEDUPLICATE)
    there = copy_out(
        connection,
        "SELECT series_id, ts FROM samples"
        " WHERE ts BETWEEN %(first)s AND %(last)s AND series_id = ANY(%(series)s)",
        {
            "first": marks.instant(int(accepted.ts.min())),
            "last": marks.instant(int(accepted.ts.max())),
            "series": np.unique(accepted.series).tolist(),
        },
        _INSTANTS,
    ).columns
    # In a row the stored come first: of equals, the first one counts.
    series, ts = (np.r_[there["series_id"], accepted.series], np.r_[there["ts"], accepted.ts])
    order = np.lexsort((ts, series))
    again = np.zeros(len(order), bool)
    again[order[1:]] = (np.diff(series[order]) == 0) & (np.diff(ts[order]) == 0)
    new = ~again[len(there["ts"]) :] | accepted.overflows
    return accepted.only(new), int((~new).sum())


def _not_finite(decoded: Decoded, resolved: Resolved) -> NDArray[np.bool_]:
    """Values that are no number where there must be one; a gauge may be anything, as in Prometheus."""
    finite = np.isfinite(decoded.value)
    if finite.all():
        return ~finite
    stale = decoded.value.view(np.int64) == STALE_NAN
    bad: NDArray[np.bool_] = ~finite & ~stale & ~resolved.of_kind(Kind.GAUGE)[decoded.index]
    return bad


def _reject(decoded: Decoded, resolved: Resolved, reason: str, positions: Ints, rejects: Rejects) -> None:
    if not len(positions):
        return
    at_series = decoded.index[positions]
    for series, times in zip(*np.unique(at_series, return_counts=True), strict=True):
        rejects.count(resolved.reasons.get(int(series), reason), int(times))
    for position in positions[: rejects.room].tolist():
        series = int(decoded.index[position])
        rejects.keep(resolved.reasons.get(series, reason), _example(decoded, series, position))


def _example(decoded: Decoded, series: int, position: int) -> dict[str, Any]:
    entry = decoded.series[series]
    named = entry if isinstance(entry, list) and len(entry) == 3 else [entry, None, None]
    example = dict(zip(("name", "labels", "kind"), named, strict=True))
    return example | {"ts_us": int(decoded.ts[position]), "value": float(decoded.value[position])}


def _make_partitions(
    connection: Connection, accepted: _Accepted, reports: Sequence[Event], done: Sequence[Activity]
) -> None:
    partitions.ensure(connection.engine, partitions.SAMPLES, accepted.days)
    business.make_partitions(connection.engine, reports)
    activity.make_partitions(connection.engine, done)
