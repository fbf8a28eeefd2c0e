"""Whether the rollups are what they are computed from: some slices recomputed and compared.

It reads in one snapshot and takes no lock. A slice that is marked in that snapshot is left out, as it is
known to be behind; for any other, the rows of its tier must equal what the tier below gives.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from watchfleet.db import partitions
from watchfleet.metrics import marks, rollup_rows, rollups, sketch
from watchfleet.metrics.aggregate import Buckets
from watchfleet.metrics.counters import Tally
from watchfleet.metrics.rollup_rows import Extent
from watchfleet.metrics.tiers import TIERS, Tier

TOLERANCE: Final = 1e-9
"""How much sums may differ, relatively: they are added up in another order."""

MOST_SHOWN: Final = 100
_EXACT: Final = ("n", "min", "max", "first_ts", "first_value", "last_ts", "last_value")
_SUMS: Final = (("sum", 1), ("increase", 1), ("m2", 2))


@dataclass(slots=True)
class Verified:
    """What a verification saw.

    Attributes:
        slices: How many were recomputed.
        skipped: How many were left out, as they wait to be rolled up.
        different: How many differ.
        differences: The first 100 differences, a line each.
    """

    slices: int = 0
    skipped: int = 0
    different: int = 0
    differences: list[str] = field(default_factory=list)


def verify(engine: Engine, share: float, rng: random.Random) -> Verified:
    """Recompute a random share of every tier's slices and compare.

    Args:
        engine: The store.
        share: How many, from 0 to 1; of a tier that has slices, one at least.
        rng: Chooses them.
    """
    found = Verified()
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        for tier in TIERS:
            for slice_ in _chosen(connection, tier, share, rng):
                _check(connection, tier, slice_, found)
    with engine.begin() as connection:
        _count(connection, found)
    return found


def _chosen(connection: Connection, tier: Tier, share: float, rng: random.Random) -> list[int]:
    query = f"SELECT DISTINCT bucket FROM {tier.table.table}"  # noqa: S608 - a table of ours
    buckets = sorted(marks.microseconds(bucket) for bucket in connection.scalars(text(query)))
    days = {marks.instant(bucket).date() for bucket in buckets}
    there = partitions.covered(connection, tier.source, days)
    known = [bucket for bucket in buckets if marks.instant(bucket).date() in there]
    return sorted(rng.sample(known, min(len(known), math.ceil(share * len(known)))))


def _check(connection: Connection, tier: Tier, slice_: int, found: Verified) -> None:
    marked = connection.scalar(
        text("SELECT EXISTS (SELECT FROM dirty_slice WHERE tier = :tier AND slice = :slice)"),
        {"tier": tier.position, "slice": marks.instant(slice_)},
    )
    if marked:
        found.skipped += 1
        return
    found.slices += 1
    extent = Extent(slice_, tier.end(slice_))
    stored = rollup_rows.read(connection, tier.table.table, extent)
    (_, fresh), *_ = rollups.computed(connection, tier, extent)
    lines = list(differences(stored, fresh))
    if lines:
        found.different += 1
        where = f"{tier.label} of {marks.instant(slice_):%Y-%m-%d %H:%M}"
        room = MOST_SHOWN - len(found.differences)
        found.differences += [f"{where}: {line}" for line in lines[:room]]


def differences(stored: Buckets, fresh: Buckets) -> Iterator[str]:
    """What differs between the rows of a slice as they are and as they should be, a line each."""
    mine, theirs = stored.columns["series_id"], fresh.columns["series_id"]
    if not np.array_equal(mine, theirs):
        yield f"it has {len(mine)} series, not {len(theirs)}"
        return
    for name in _EXACT:
        yield from _unequal(name, stored, fresh, stored.columns[name] != fresh.columns[name])
    scale = np.maximum(np.maximum(abs(fresh.columns["min"]), abs(fresh.columns["max"])), 1)
    for name, power in _SUMS:
        with np.errstate(invalid="ignore"):
            off = abs(stored.columns[name] - fresh.columns[name])
            near = off <= TOLERANCE * fresh.columns["n"] * scale**power
        both = np.isnan(stored.columns[name]) & np.isnan(fresh.columns[name])
        equal = stored.columns[name] == fresh.columns[name]  # infinite ones
        yield from _unequal(name, stored, fresh, ~(near | both | equal))
    histograms = (sketch.encode(one.cells, len(one)) for one in (stored, fresh))
    unlike = np.array([a != b for a, b in zip(*histograms, strict=True)], bool)
    for series in mine[unlike].tolist():
        yield f"series {series}: the histogram is another one"


def _unequal(name: str, stored: Buckets, fresh: Buckets, unlike: NDArray[np.bool_]) -> Iterator[str]:
    for at in np.flatnonzero(unlike).tolist():
        series, is_, should = (
            stored.columns["series_id"][at],
            stored.columns[name][at],
            fresh.columns[name][at],
        )
        yield f"series {series}: {name} is {is_}, not {should}"


def _count(connection: Connection, found: Verified) -> None:
    tally = Tally()
    tally.add("watchfleet_rollup_verified_slices_total", found.slices)
    tally.add("watchfleet_rollup_different_slices_total", found.different)
    tally.save(connection)
