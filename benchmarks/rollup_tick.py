"""One tick on the newest slice, beside one bare UPSERT of that slice; the same with more history.

A thousand series with 35 samples each in the slice. A tick must cost what is new: with three and ten days
before it no more than with one. Then what is late, brought up to date in every tier: more and more slices of
the day that came anew as a whole, and a few rows scattered over it, each with a series and a time of its own.
"""

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from benchmarks import _harness, _samples, rollup
from watchfleet.db import partitions
from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import marks, rollups
from watchfleet.metrics.tiers import TIERS

SERIES = 1000
FINEST = TIERS[0]
SLICES = 288
"""In a day."""


def main() -> None:
    small = _harness.quick()
    days, per_day, rounds = ((1, 2), 1_000_000, 5) if small else ((1, 3, 10), 10_000_000, 15)
    newest = _samples.midnight() + timedelta(hours=23, minutes=55)
    ticks: dict[int, float] = {}
    with _harness.store() as url:
        bare = _samples.connect(url)
        _samples.register(SERIES, ("duration", "counter"))
        prepare(bare, max(days))
        loaded = 0
        for history in days:
            for back in range(loaded + 1, history + 1):
                _samples.load(_samples.columns(_samples.midnight(back), _samples.DAY, per_day, SERIES, back))
            loaded = history
            # As autovacuum does, which is off here: what was late before leaves dead rows behind.
            rollup_tables = (one.table for one in partitions.ROLLUPS)
            _samples.vacuum(bare, "samples", "series", "dirty_slice", "counter_delta", *rollup_tables)
            times = compare(bare, newest, rounds)
            ticks[history] = times.median("ours")
            if history == days[0]:
                first = times
                late = late_slices((12, 48) if small else (12, 48, 144))
                scattered = late_rows((10, 1000) if small else (10, 10_000))
        bare.close()
    _harness.report(
        "rollup_tick",
        first.median("ours") / first.median("peer"),
        "<= 3",
        ours=round(first.median("ours") * 1000, 1),
        peer=round(first.median("peer") * 1000, 1),
        peer_without_percentiles=round(first.median("basic") * 1000, 1),
        unit="ms",
        by_history={f"{history}x": round(ticks[history] / ticks[days[0]], 3) for history in days},
        history_goal="<= 1.15",
        late_slices_ms_each=late,
        late_rows_ms_each=scattered,
        cpu_wait=first.wait(),
    )


def late_slices(numbers: tuple[int, ...]) -> dict[int, float]:
    """For each number of slices spread over the day: milliseconds for each, through all tiers."""
    rng, found = np.random.default_rng(1), {}
    start, later = marks.microseconds(_samples.midnight()), _samples.midnight() + timedelta(days=3)
    for number in numbers:
        slices = start + rng.choice(SLICES, number, replace=False) * FINEST.width
        with transaction() as connection:
            connection.exec_driver_sql("DELETE FROM dirty_slice")
            marks.put(connection, FINEST, slices, np.zeros(number, np.int64), later)
        took = _harness.alternate(1, {"ours": lambda _: rollups.drain(get_engine(), later, seconds=3600)})
        found[number] = round(took.median("ours") * 1000 / number, 2)
    return found


def late_rows(numbers: tuple[int, ...]) -> dict[int, float]:
    """For each number of rows scattered over series and times: milliseconds for each, through all tiers."""
    rng, found = np.random.default_rng(2), {}
    start, later = marks.microseconds(_samples.midnight()), _samples.midnight() + timedelta(days=3)
    for number in numbers:
        rows = {
            "series_id": rng.integers(1, SERIES + 1, number),
            "ts": start + rng.integers(0, _samples.DAY, number),
            "value": rng.lognormal(3, 1, number),
        }
        _samples.load(rows)
        with transaction() as connection:
            connection.exec_driver_sql("DELETE FROM dirty_slice")
            marks.put(connection, *marks.of_samples(rows["ts"], rows["series_id"], later), later)
        took = _harness.alternate(1, {"ours": lambda _: rollups.drain(get_engine(), later, seconds=3600)})
        found[number] = round(took.median("ours") * 1000 / number, 2)
    return found


def prepare(bare: Any, days: int) -> None:
    """The peer's table, and partitions for all."""
    for parent in partitions.ROLLUPS:
        partitions.ensure(
            get_engine(), parent, {_samples.midnight(back).date() for back in range(1, days + 1)}
        )
    for name in ("bare", "basic"):
        _samples.run(bare, rollup.table(name, _samples.midnight().date().isoformat()))


def compare(bare: Any, newest: datetime, rounds: int) -> _harness.Times:
    """Time ticks and UPSERTs of the newest slice, each after it was written once."""
    now = newest + timedelta(minutes=4, seconds=59)
    end = newest + timedelta(minutes=5)
    where = f"ts >= '{newest.isoformat()}' AND ts < '{end.isoformat()}'"

    def ours(number: int) -> None:
        with transaction() as connection:
            done = rollups.advance(connection, now)
        assert done.rows == SERIES, (number, done)

    def peer(_: int) -> None:
        _samples.run(bare, rollup.upsert("bare", FINEST.width, where))

    def basic(_: int) -> None:
        _samples.run(bare, rollup.upsert("basic", FINEST.width, where, percentiles=False))

    times = _harness.Times()
    for number in range(rounds + 1):
        mark(newest, now)
        one = _harness.alternate(1, {"ours": ours, "peer": peer, "basic": basic})
        if number:  # the first writes rows, the others replace them
            times.add(one)
    return times


def mark(newest: datetime, now: datetime) -> None:
    """Mark the slice as ingest does; what waits above is not part of this tick."""
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM dirty_slice")
        marks.put(connection, FINEST, np.array([marks.microseconds(newest)]), np.array([0]), now)


if __name__ == "__main__":
    main()
