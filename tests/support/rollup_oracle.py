"""What the rollups must be: recomputed from the raw samples, by PostgreSQL where it can."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from watchfleet.metrics import sketch
from watchfleet.metrics.tiers import TIERS, Tier

ERROR = 0.01084
_TRUTH = """
SELECT series_id, date_bin(make_interval(secs => :width), ts, '2000-01-01') AS bucket, count(*) AS n,
  sum(value) AS sum, var_pop(value) * count(*) AS m2, min(value) AS min, max(value) AS max,
  (array_agg(value ORDER BY ts, value))[1] AS first_value, min(ts) AS first_ts,
  (array_agg(value ORDER BY ts DESC, value DESC))[1] AS last_value, max(ts) AS last_ts,
  CASE kind WHEN 'counter' THEN coalesce(sum(step), 0) END AS increase,
  percentile_disc(0.5) WITHIN GROUP (ORDER BY value) AS p50,
  percentile_disc(0.9) WITHIN GROUP (ORDER BY value) AS p90,
  percentile_disc(0.95) WITHIN GROUP (ORDER BY value) AS p95,
  percentile_disc(0.99) WITHIN GROUP (ORDER BY value) AS p99,
  array_agg(value ORDER BY value) AS values
FROM (SELECT samples.*, kind, CASE WHEN value >= before THEN value - before ELSE value END *
        (before IS NOT NULL)::int AS step
      FROM (SELECT *, lag(value) OVER (PARTITION BY series_id,
              date_bin(make_interval(secs => :width), ts, '2000-01-01') ORDER BY ts, value) AS before
            FROM samples WHERE abs(value) < 'Infinity') AS samples
      JOIN series ON series.id = series_id) AS stepped
GROUP BY series_id, bucket, kind ORDER BY series_id, bucket
"""


def differences(connection: Connection) -> list[str]:
    """Each difference between a tier and what the samples come to; empty when every tier is right."""
    return [line for tier in TIERS for line in _of_tier(connection, tier)]


def _of_tier(connection: Connection, tier: Tier) -> Iterator[str]:
    table = tier.table.table
    truth = connection.execute(text(_TRUTH), {"width": tier.width // 1_000_000}).mappings().all()
    query = text(f"SELECT * FROM {table} ORDER BY series_id, bucket")
    found = {(row["series_id"], row["bucket"]): row for row in connection.execute(query).mappings()}
    for row in truth:
        there = found.pop((row["series_id"], row["bucket"]), None)
        where = f"{table} {row['series_id']} {row['bucket']:%d %H:%M}"
        if there is None:
            yield f"{where} is missing"
        else:
            yield from (f"{where}: {line}" for line in _of_row(tier, there, row))
    yield from (f"{table} {series} {bucket} should not be there" for series, bucket in found)


def _of_row(tier: Tier, there: Any, truth: Any) -> Iterator[str]:
    for name in ("n", "min", "max", "first_value", "first_ts", "last_value", "last_ts"):
        if there[name] != truth[name]:
            yield f"{name} is {there[name]}, not {truth[name]}"
    scale = max(1.0, abs(truth["min"]), abs(truth["max"])) * truth["n"]
    for name, bound in (("sum", 1e-9 * scale), ("increase", 1e-9 * scale), ("m2", 1e-9 * scale**2)):
        if (there[name] is None) != (truth[name] is None) or abs(
            (there[name] or 0) - (truth[name] or 0)
        ) > bound:
            yield f"{name} is {there[name]}, not {truth[name]}"
    error = 0.0 if tier.position == 0 else ERROR
    for name in ("p50", "p90", "p95", "p99"):
        if abs(there[name] - truth[name]) > error * abs(truth[name]):
            yield f"{name} is {there[name]}, not {truth[name]}"
    codes = sketch.codes(np.array(truth["values"]))
    direct = sketch.encode(sketch.tally(np.zeros(len(codes), np.int64), codes), 1)[0]
    if bytes(there["histogram"]) != direct:
        yield "the histogram is not the one of the samples"
