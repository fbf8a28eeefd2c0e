"""Marks: which slices changed and wait to be rolled up.

Whoever changes rows of a tier marks, in the same transaction, the slices of the tier above that hold them.
The log is append-only: a mark is never merged with one that a tick may be consuming at that moment, which is
how marks get lost. A tick takes marks in a statement of its own and reads afterwards: what it then sees
holds at least everything that the marks stand for.

A mark is for the whole slice, or for one series of it: a few late samples cost their series, not the slice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, text

from watchfleet.metrics.sketch import Ints
from watchfleet.metrics.tiers import TIERS, Tier, above

FEW: Final = 100
"""A slice with more changed series than this is marked, or taken, as a whole."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
INSERT: Final = (
    "INSERT INTO dirty_slice (shard, tier, slice, series_id, marked_at)"
    " SELECT shard, :tier, to_timestamp(slice / 1000000), nullif(series, 0), :now"
    " FROM unnest(CAST(:shards AS smallint[]), CAST(:slices AS bigint[]), CAST(:series AS int[]))"
    " AS mark (shard, slice, series)"
)
"""What puts `columns`."""
_PUT: Final = text(INSERT)
_SERIES_BITS: Final = 31
_WHOLE: Final = 0  # no series has this number


def instant(microseconds: int) -> datetime:
    """A datetime, exact to the microsecond."""
    return EPOCH + timedelta(microseconds=microseconds)


def microseconds(at: datetime) -> int:
    """Unix microseconds, exact."""
    return (at - EPOCH) // timedelta(microseconds=1)


@dataclass(slots=True)
class Taken:
    """Slices of a tier to be recomputed.

    Attributes:
        whole: Starts of slices, ascending, that are to be recomputed for every series.
        partial: Starts of other slices, with the series that changed there.
    """

    whole: list[int] = field(default_factory=list)
    partial: dict[int, set[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.whole) + len(self.partial)


def put(connection: Connection, tier: Tier, slices: Ints, series: Ints, now: datetime) -> None:
    """Mark slices of a tier.

    Args:
        connection: The transaction that changes what they are computed from.
        tier: The tier to recompute.
        slices: Starts of slices.
        series: For each, the series that changed; 0 for all.
        now: The present.
    """
    if not len(slices):
        return
    connection.execute(_PUT, {**columns(tier, slices, series), "now": now})


def columns(tier: Tier, slices: Ints, series: Ints) -> dict[str, Any]:
    """The parameters of `INSERT`, those of `put`, but `now`."""
    return {
        "tier": tier.position,
        "shards": [tier.shard(int(one)) for one in slices],
        "slices": slices.tolist(),
        "series": series.tolist(),
    }


def of_samples(ts: Ints, series: Ints, now: datetime) -> tuple[Tier, Ints, Ints]:
    """What marks that samples changed: the newest slices as a whole, older ones by series if these are few.

    Returns:
        The tier, starts of slices, and for each the series that changed or 0 for all, as `put` takes them.
    """
    tier, nothing = TIERS[0], np.empty(0, np.int64)
    if not len(ts):
        return tier, nothing, nothing
    slices = ts // tier.width
    first, last = int(slices.min()), int(slices.max())
    newest = microseconds(now) // tier.width - 1
    one = first == last >= newest
    whole = np.array([first]) if one else _distinct(slices[slices >= newest])
    late = np.empty((0, 2), np.int64)
    if first < newest:
        whole, late = _late(slices, series, newest, whole)
    starts = np.r_[whole, late[:, 0]] * tier.width
    return tier, starts, np.r_[np.full(len(whole), _WHOLE), late[:, 1]]


def _distinct(slices: Ints) -> Ints:
    """What `numpy.unique` gives, at a tenth of its cost where equals stand side by side, as samples come."""
    return np.unique(slices[np.r_[True, slices[1:] != slices[:-1]]]) if len(slices) else slices


def _late(slices: Ints, series: Ints, newest: int, whole: Ints) -> tuple[Ints, Ints]:
    """Add late slices: those with many series to `whole`, those with few as pairs of slice and series."""
    is_late = slices < newest
    key = np.unique((slices[is_late] << _SERIES_BITS) + series[is_late])
    pairs = np.stack([key >> _SERIES_BITS, key & ((1 << _SERIES_BITS) - 1)], axis=1)
    at, counts = np.unique(pairs[:, 0], return_counts=True)
    few = at[counts <= FEW]
    return np.r_[at[counts > FEW], whole], pairs[np.isin(pairs[:, 0], few)]


def put_above(connection: Connection, tier: Tier, taken: Taken, now: datetime) -> None:
    """Mark the slices of the tiers above that hold slices which were recomputed."""
    for parent in above(tier):
        changed: dict[int, set[int]] = {parent.bucket(slice_): {_WHOLE} for slice_ in taken.whole}
        for slice_, series in taken.partial.items():
            changed.setdefault(parent.bucket(slice_), set()).update(series)
        merged = _sorted([(slice_, one) for slice_, series in changed.items() for one in series])
        pairs = [(slice_, _WHOLE) for slice_ in merged.whole]
        pairs += [(slice_, one) for slice_, series in merged.partial.items() for one in sorted(series)]
        slices, series_ids = np.array(pairs, np.int64).T
        put(connection, parent, slices, series_ids, now)


def due(connection: Connection, now: datetime) -> list[tuple[int, Tier, int]]:
    """The shards with work, as shard, tier and the start of its oldest slice; the oldest first."""
    condition, values = due_condition(now)
    rows = connection.execute(
        text(
            "SELECT shard, tier, min(slice) AS slice FROM dirty_slice"  # noqa: S608 - the condition is ours
            f" WHERE {condition} GROUP BY shard, tier ORDER BY 3, 2"
        ),
        values,
    )
    return [(row.shard, TIERS[row.tier], microseconds(row.slice)) for row in rows]


def take(connection: Connection, tier: Tier, start: int, end: int, now: datetime) -> Taken:
    """Consume the marks of the slices that are due and begin within a range of one shard's.

    The caller holds the shard's lock.
    """
    condition, values = due_condition(now)
    rows = connection.execute(
        text(
            "DELETE FROM dirty_slice WHERE tier = :tier"  # noqa: S608 - the condition is ours
            " AND slice >= :start AND slice < :end AND slice IN"
            " (SELECT slice FROM dirty_slice WHERE tier = :tier AND slice >= :start AND slice < :end"
            f" AND ({condition})) RETURNING slice, series_id"
        ),
        {**values, "tier": tier.position, "start": instant(start), "end": instant(end)},
    )
    return _sorted([(microseconds(slice_), series or _WHOLE) for slice_, series in rows])


def _sorted(marks: Sequence[tuple[int, int]]) -> Taken:
    series: dict[int, set[int]] = {}
    for slice_, one in marks:
        series.setdefault(slice_, set()).add(one)
    partial = {at: some for at, some in series.items() if _WHOLE not in some and len(some) <= FEW}
    return Taken(sorted(series.keys() - partial.keys()), partial)


def due_condition(now: datetime) -> tuple[str, dict[str, Any]]:
    """The SQL condition for marks that are due.

    A slice that is over is due at once; one that is still filling, when its mark has waited long enough. A
    mark from the future tells of a clock that was set back, and must not wait for it to catch up.
    """
    conditions, values = [], {"now": now}
    for tier in TIERS:
        conditions.append(f"tier = {tier.position} AND (slice <= :over{tier.position}")
        conditions[-1] += f" OR marked_at <= :stale{tier.position} OR marked_at > :now)"
        values[f"over{tier.position}"] = now - timedelta(microseconds=tier.width)
        values[f"stale{tier.position}"] = now - tier.refresh
    return " OR ".join(f"({condition})" for condition in conditions), values
