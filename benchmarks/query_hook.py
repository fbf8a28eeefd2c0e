"""What it costs to measure a query, how true the percentiles are, and whether any slow query is missed.

Cost: CPU time of a query of SQLite in memory, with the same text again and again and with a text of its own
each time: without hooks, with ours, with OpenTelemetry's (which refuses SQLAlchemy 2.1 unless told not to).
Error: of p95 and p99 from histograms against the sorted values, in one and merged from eight, for each file
of `--data`, a folder of `*_ms.csv.gz` with durations; without it, of durations that are drawn.
Recall: of the queries of over a second that eight threads ask of a real PostgreSQL among quick ones:
finished, cancelled by its timeout, and streamed.
"""

import argparse
import csv
import gzip
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from benchmarks import _harness
from watchfleet.db.engine import create
from watchfleet.instrument import activity, sqlalchemy
from watchfleet.instrument.client import Client
from watchfleet.instrument.lifetime import lifetime
from watchfleet.metrics import sketch

KNOWN_GOAL: Final = 6.0
NEW_GOAL: Final = 12.0
ROUNDS: Final = 9
PARTS: Final = 8
_WAYS: Final = ("quick", "finished", "cancelled", "streamed")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a small run")
    parser.add_argument("--data", type=Path, help="a folder of *_ms.csv.gz")
    given = parser.parse_args()
    count = 500 if given.quick else 5_000
    known = costs(count, lambda _: "SELECT 1")
    new = costs(count, lambda number: f"SELECT {number}")
    errors = {name: sketch_error(values) for name, values in durations(given.data)}
    _harness.report(
        "query_hook",
        known["ours"] / KNOWN_GOAL,
        f"known text <= {KNOWN_GOAL:.0f} us, new text <= {NEW_GOAL:.0f} us; error <= 1 %; recall 1",
        known_text=known,
        new_text=new,
        unit="us of CPU above a query without hooks",
        largest_error_percent=errors,
        recall=recall(24 if given.quick else 120),
    )


def costs(count: int, statement: Callable[[int], str]) -> dict[str, float]:
    """Microseconds above a query without hooks, by contestant: medians of rounds."""
    client = lifetime.client = Client("bench", _no_broker, flush_interval=3600)
    connections = {name: engine.connect() for name, engine in engines().items()}
    times: dict[str, list[float]] = {name: [] for name in connections}
    numbers = iter(range(sys.maxsize))
    for number in range(ROUNDS):
        for name in list(connections)[:: 1 if number % 2 else -1]:
            statements = [statement(next(numbers)) for _ in range(count)]
            times[name].append(_timed(connections[name], statements))
            client.buffer.clear()
    bare = median(times.pop("bare"))
    return {"bare": round(bare, 1)} | {name: round(median(found) - bare, 1) for name, found in times.items()}


def engines() -> dict[str, Engine]:
    """One for each contestant."""
    found = {name: create_engine("sqlite://") for name in ("bare", "ours", "opentelemetry")}
    sqlalchemy.install(found["ours"])
    SQLAlchemyInstrumentor().instrument(
        engine=found["opentelemetry"], tracer_provider=TracerProvider(), skip_dep_check=True
    )
    SQLAlchemyInstrumentor._instance = None  # noqa: SLF001 - the next measurement needs one of its own
    return found


def _timed(connection: Connection, statements: list[str]) -> float:
    began = time.thread_time()
    for one in statements:
        connection.exec_driver_sql(one)
    return (time.thread_time() - began) / len(statements) * 1e6


def durations(folder: Path | None) -> Iterator[tuple[str, Any]]:
    """The durations of each file, or some that are drawn."""
    if folder is None:
        yield "drawn", np.random.default_rng(7).lognormal(1, 2, 100_000)
        return
    for path in sorted(folder.glob("*_ms.csv.gz")):
        with gzip.open(path, "rt") as file:
            cells = (cell for row in csv.reader(file) for cell in row)
            yield path.name, np.array([float(cell) for cell in cells if cell.replace(".", "", 1).isdigit()])


def sketch_error(values: Any) -> float:
    """The largest relative error of p95 and p99 in percent, of one histogram and of eight that are merged."""
    parts = np.arange(len(values)) % PARTS
    order = np.lexsort((values, parts))
    eight = sketch.tally(parts[order], sketch.codes(values[order]))
    merged = sketch.merge(sketch.decode(sketch.encode(eight, PARTS)), np.zeros(PARTS, np.int64))
    one = sketch.tally(np.zeros(len(values), np.int64), sketch.codes(np.sort(values)))
    errors = []
    for cells in (one, merged):
        for q, (found,) in zip((0.95, 0.99), sketch.quantiles(cells, (0.95, 0.99)), strict=True):
            truth = np.quantile(values, q, method="inverted_cdf")
            errors.append(abs(found - truth) / truth * 100)
    return round(float(max(errors)), 3)


def recall(count: int) -> float:
    """The share of slow queries that are told of."""
    ways = [_WAYS[number % len(_WAYS)] for number in range(count)]
    random.Random(7).shuffle(ways)
    client = lifetime.client = Client("bench", _no_broker, flush_interval=3600)
    activity.MOST_A_SECOND = count  # type: ignore[misc]  # threads of one process do here what a fleet does
    with _harness.store() as url:
        engine = create(url)
        sqlalchemy.install(engine)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda way: ask(engine, way), ways))
        engine.dispose()
    told = [row for row in client.buffer.cut(client.capacity).activity if row.kind == "query"]
    return len(told) / sum(way != "quick" for way in ways)


def ask(engine: Engine, way: str) -> None:
    """Ask a query that ends in some way, those that are not quick after 1.05 s or more."""
    with engine.connect() as connection, suppress(OperationalError):
        if way == "quick":
            connection.execute(text("SELECT count(*) FROM pg_class"))
        elif way == "finished":
            connection.execute(text("SELECT pg_sleep(1.05)"))
        elif way == "cancelled":
            connection.execute(text("SET LOCAL statement_timeout = 1050"))
            connection.execute(text("SELECT count(*) FROM pg_class, pg_sleep(60)"))
        else:
            rows = text("SELECT n, pg_sleep(0.0525) FROM generate_series(1, 20) AS n")
            list(connection.execution_options(yield_per=5).execute(rows))


def _no_broker() -> Any:
    raise ConnectionError("nothing is shipped")


if __name__ == "__main__":
    main()
