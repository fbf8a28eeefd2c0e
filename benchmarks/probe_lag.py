"""Whether a thousand targets are checked on time by one worker process: how late, and whether any is missed.

A thousand targets every ten seconds for three minutes, with a real beat; the limit is a second at the 99th
percentile. Each target's checks are held against its own grid in the store: a check is late by how much it
began after its time, and a time is missed without a check within half an interval. An early one is not late.
"""

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import text

from benchmarks import _harness, _worker, probe_cost
from watchfleet.db.engine import transaction

LIMIT: Final = 1.0
INTERVAL: Final = 10
_GRID: Final = text("SELECT name, extract(epoch FROM due_at)::float8 AS due FROM probe_target")
_CHECKS: Final = text(
    "SELECT labels->>'target' AS target, extract(epoch FROM ts)::float8 AS at FROM samples"
    " JOIN series ON series.id = series_id WHERE name = 'probe_success' AND labels->>'target' LIKE 'target-%'"
    " AND ts >= to_timestamp(:first) AND ts < to_timestamp(:last) ORDER BY 1, 2"
)


def main() -> None:
    targets, seconds = (200, 30) if _harness.quick() else (1000, 180)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="watchfleet-bench-")))
        stack.enter_context(_harness.store())
        broker = stack.enter_context(_worker.broker())
        address = stack.enter_context(probe_cost.serve(folder, "http"))
        configure(folder, [f"{address}/{number}" for number in range(targets)])
        stack.enter_context(_worker.worker(probe_cost.QUEUE, broker, folder / "worker.log"))
        beat = [sys.executable, "-m", "celery", "-A", "workers", "beat", "--loglevel=INFO"]
        stack.enter_context(_worker.process(beat, folder / "beat.log", BROKER_URL=broker, CACHE_URL=broker))
        time.sleep(2 * INTERVAL)  # until each had its first check
        first = time.time()
        time.sleep(seconds + INTERVAL)
        lags, missing, reported = measured(first, first + seconds)
    lags = np.maximum(lags, 0)
    p99 = float(np.quantile(lags, 0.99))
    _harness.report(
        "probe_lag",
        p99 / LIMIT,
        "<= 1",
        ours=round(p99, 3),
        peer=LIMIT,
        unit="s at the 99th percentile",
        p50=round(float(np.median(lags)), 3),
        longest=round(float(lags.max()), 3),
        checks=len(lags),
        missing=missing,
        metric_p99=round(reported, 3),
        targets=targets,
        load=os.getloadavg()[0],
    )


def configure(folder: Path, urls: list[str]) -> None:
    """Have the fleet probe these."""
    target = {"kind": "http", "interval": f"{INTERVAL}s"}
    targets = [{"name": f"target-{number}", "url": url, **target} for number, url in enumerate(urls)]
    (folder / "watchfleet.yml").write_text(json.dumps({"targets": targets}))
    os.environ["WATCHFLEET_CONFIG"] = str(folder / "watchfleet.yml")


def measured(first: float, last: float) -> tuple[Any, int, float]:
    """How late each check was, how many are missing, and the 99th percentile of the fleet's own metric."""
    with transaction() as connection:
        grid = {row.name: row.due for row in connection.execute(_GRID) if row.name.startswith("target-")}
        checks: dict[str, list[float]] = {name: [] for name in grid}
        for row in connection.execute(_CHECKS, {"first": first - INTERVAL, "last": last + INTERVAL}):
            checks[row.target].append(row.at)
        reported = connection.execute(
            text(
                "SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY value) FROM samples JOIN series"
                " ON series.id = series_id WHERE name = 'watchfleet_probe_lag_seconds'"
                " AND ts >= to_timestamp(:first)"
            ),
            {"first": first},
        ).scalar_one()
    lags, missing = list[float](), 0
    for name, due in grid.items():
        made = np.array(checks[name])
        for at in np.arange(first + (due - first) % INTERVAL, last, INTERVAL):
            near = made[np.abs(made - at) < INTERVAL / 2] - at
            missing += not len(near)
            lags += near[:1].tolist()
    return np.array(lags), missing, float(reported)


if __name__ == "__main__":
    main()
