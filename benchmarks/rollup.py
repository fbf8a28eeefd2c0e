"""A day of samples into all four tiers, beside one bare UPSERT for each tier.

Ten million samples of a thousand series. The peer computes from the samples, in each tier, n, sum, second
moment, min, max and `percentile_cont` of three quantiles: what PostgreSQL gives without us, as percentiles do
not merge. We compute those and first, last, the counters' increase, p90 and the histograms.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from benchmarks import _harness, _samples
from watchfleet.db import partitions
from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import rollups
from watchfleet.metrics.tiers import TIERS


def main() -> None:
    small = _harness.quick()
    samples, series, rounds = (300_000, 100, 1) if small else (10_000_000, 1000, 3)
    start = _samples.midnight()
    later = start + timedelta(days=3)
    with _harness.store() as url:
        bare = _samples.connect(url)
        prepare(bare, start.date().isoformat(), samples, series)

        def ours(_: int) -> None:
            assert rollups.drain(get_engine(), later, seconds=3600).rows

        def peer(_: int) -> None:
            for tier in TIERS:
                _samples.run(bare, "SET LOCAL work_mem = '256MB'", upsert(f"bare_{tier.label}", tier.width))

        def before(_: int) -> None:
            clear(bare)
            mark(start.isoformat())

        times = _harness.Times()
        for number in range(rounds):
            before(number)
            times.add(_harness.alternate(1, {"ours": ours, "peer": peer}))
        rows = count()
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
        cpu_wait=times.wait(),
    )


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
