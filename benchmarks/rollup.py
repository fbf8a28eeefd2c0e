"""A day of samples into all four tiers, beside one bare UPSERT for each tier.

Ten million samples of a thousand series. The peer computes from the samples, in each tier, n, sum, second
moment, min, max and `percentile_cont` of three quantiles: what PostgreSQL gives without us, as percentiles do
not merge. We compute those and first, last, the counters' increase, p90 and the histograms.

Beside the ratio stand the seconds of each part of our work and of each tier, the peer's for each tier with
and without percentiles, and what two workers take together.
"""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from sqlalchemy import text

from benchmarks import _harness, _samples
from watchfleet.db import partitions
from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import aggregate, rollup_rows, rollups, sketch
from watchfleet.metrics.tiers import TIERS

PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "read": ((rollup_rows, "read_samples"), (rollup_rows, "read")),
    "order": ((aggregate, "_by_series_and_time"),),
    "basic": ((aggregate, "_ends"), (aggregate, "_moments"), (aggregate, "_merged_moments")),
    "percentiles": (
        (aggregate, "_by_row_and_value"),
        (aggregate, "_order_statistics"),
        (sketch, "codes"),
        (sketch, "tally"),
        (sketch, "merge"),
        (sketch, "quantiles"),
    ),
    "counters": ((aggregate, "_increase"), (aggregate, "_rise"), (aggregate, "_sum_within")),
    "write": ((rollup_rows, "replace"),),
}
"""The functions that each part of the work is in; one that another calls counts for the outer one."""
TIER = (rollups, "_run")
"""The function that brings one tier up to date."""


def main() -> None:
    small = _harness.quick()
    samples, series, rounds = (300_000, 100, 1) if small else (10_000_000, 1000, 3)
    start = _samples.midnight()
    later = start + timedelta(days=3)
    with _harness.store() as url:
        bare = _samples.connect(url)
        prepare(bare, start.date().isoformat(), samples, series)
        by_tier: dict[str, float] = {}

        def ours(_: int) -> None:
            assert rollups.drain(get_engine(), later, seconds=3600).rows

        def peer(_: int) -> None:
            for tier in TIERS:
                by_tier[tier.label] = bare_upsert(bare, tier, percentiles=True)

        times = _harness.Times()
        for _ in range(rounds):
            clear(bare)
            mark(start.isoformat())
            times.add(_harness.alternate(1, {"ours": ours, "peer": peer}))
        rows = count()
        note: dict[str, Any] = {"peer_by_tier": rounded(by_tier)}
        clear(bare)
        note["peer_basic_by_tier"] = rounded(
            {tier.label: bare_upsert(bare, tier, percentiles=False) for tier in TIERS}
        )
        mark(start.isoformat())
        with split() as seconds:
            ours(0)
        note["ours_by_part"] = rounded({part: seconds[part] for part in PARTS})
        note["ours_by_tier"] = rounded({tier.label: seconds[tier.label] for tier in TIERS})
        workers = {number: drained_by(number, bare, start, later) for number in (1, 2)}
        bare.close()
    _harness.report(
        "rollup",
        times.median("ours") / times.median("peer"),
        "<= 1.2",
        ours=round(times.median("ours"), 2),
        peer=round(times.median("peer"), 2),
        unit="s",
        samples=samples,
        rows=rows,
        **note,
        two_workers=round(workers[1] / workers[2], 2),
        two_workers_goal=">= 1.5",
        cpu_wait=times.wait(),
    )


def bare_upsert(bare: Any, tier: Any, *, percentiles: bool) -> float:
    """Compute one tier by hand; the seconds that it took."""
    began = time.perf_counter()
    statement = upsert(f"bare_{tier.label}", tier.width, percentiles=percentiles)
    _samples.run(bare, "SET LOCAL work_mem = '256MB'", statement)
    return time.perf_counter() - began


@contextmanager
def split() -> Iterator[Counter[str]]:
    """Count the seconds of each part and each tier."""
    seconds: Counter[str] = Counter()
    inside: list[str] = []

    def timed(call: Callable[..., Any], name_of: Callable[..., str]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            name = name_of(*arguments)
            is_part = name in PARTS
            if is_part and inside:
                return call(*arguments, **named)
            inside.extend([name] if is_part else [])
            began = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                seconds[name] += time.perf_counter() - began
                if is_part:
                    inside.pop()

        return wrapped

    with ExitStack() as stack:
        for part, functions in PARTS.items():
            for module, name in functions:
                call = timed(getattr(module, name), lambda *_, part=part: part)
                stack.enter_context(patch.object(module, name, call))
        module, name = TIER
        call = timed(getattr(module, name), lambda _, tier, *__: tier.label)
        stack.enter_context(patch.object(module, name, call))
        yield seconds


def drained_by(number: int, bare: Any, start: datetime, later: datetime) -> float:
    """The seconds that so many workers take for the day."""
    clear(bare)
    mark(start.isoformat())
    context = multiprocessing.get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    workers = [context.Process(target=_work, args=(ready, go, later)) for _ in range(number)]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    began = time.perf_counter()
    go.set()
    for worker in workers:
        worker.join()
    return time.perf_counter() - began


def _work(ready: Any, go: Any, later: datetime) -> None:
    with transaction() as connection:
        connection.execute(text("SELECT 1"))  # connected, and every module read
    ready.release()
    go.wait()
    while True:
        rollups.drain(get_engine(), later, seconds=3600)
        with transaction() as connection:  # what another is at, it may hand on to the tier above
            if not connection.scalar(text("SELECT EXISTS (SELECT FROM dirty_slice)")):
                return
        time.sleep(0.01)


def rounded(seconds: dict[str, float]) -> dict[str, float]:
    """Seconds for the report."""
    return {name: round(value, 2) for name, value in seconds.items()}


def prepare(bare: Any, day: str, samples: int, series: int) -> None:
    """The samples, and tables for the peer."""
    _samples.register(series, ("duration", "counter"))
    _samples.load(_samples.columns(_samples.midnight(), _samples.DAY, samples, series))
    for parent in partitions.ROLLUPS:
        partitions.ensure(get_engine(), parent, {_samples.midnight().date()})
    for tier in TIERS:
        _samples.run(bare, table(f"bare_{tier.label}", day))
    _samples.vacuum(bare, "samples", "series")


def table(name: str, day: str) -> str:
    """A table of the peer's."""
    return (
        f"CREATE TABLE {name} (series_id int, bucket timestamptz, n bigint, sum float8, m2 float8,"
        " min float8, max float8, p50 float8, p95 float8, p99 float8, PRIMARY KEY (series_id, bucket))"
        " PARTITION BY RANGE (bucket);"
        f" CREATE INDEX ON {name} USING brin (bucket) WITH (pages_per_range = 16);"
        f" CREATE TABLE {name}_part PARTITION OF {name} FOR VALUES FROM ('{day}') TO ('{day}'::date + 2)"
    )


def upsert(name: str, width: int, where: str = "true", *, percentiles: bool = True) -> str:
    """One tier by hand."""
    wanted = ", ".join(
        f"percentile_cont({q}) WITHIN GROUP (ORDER BY value)" if percentiles else "NULL::float8"
        for q in (0.5, 0.95, 0.99)
    )
    return (
        f"INSERT INTO {name}"
        f" SELECT series_id, date_bin('{width // 1_000_000} s', ts, '2000-01-01') AS bucket,"
        f" count(*), sum(value), var_pop(value) * count(*), min(value), max(value), {wanted}"
        f" FROM samples WHERE {where} GROUP BY series_id, bucket"
        " ON CONFLICT (series_id, bucket) DO UPDATE SET n = excluded.n, sum = excluded.sum, m2 = excluded.m2,"
        " min = excluded.min, max = excluded.max, p50 = excluded.p50, p95 = excluded.p95, p99 = excluded.p99"
    )


def clear(bare: Any) -> None:
    """Empty every tier, ours and theirs."""
    for tier in TIERS:
        _samples.run(bare, f"TRUNCATE {tier.table.table}, bare_{tier.label}")


def mark(start: str) -> None:
    """Mark the whole day."""
    with transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO dirty_slice (shard, tier, slice, marked_at)"
                " SELECT (extract(epoch FROM slice)::bigint / 3600) % 8, 0, slice, slice"
                " FROM generate_series(CAST(:start AS timestamptz), CAST(:start AS timestamptz)"
                " + interval '23:55', interval '5 min') AS slice"
            ),
            {"start": start},
        )


def count() -> dict[str, int]:
    """Rows by tier."""
    with transaction() as connection:
        return {
            tier.label: int(connection.scalar(text(f"SELECT count(*) FROM {tier.table.table}")) or 0)
            for tier in TIERS
        }


if __name__ == "__main__":
    main()
