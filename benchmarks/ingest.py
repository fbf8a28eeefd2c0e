"""Ingest beside a bare COPY: what the batch id, the checks, the marks and the counters cost.

Two million samples of a thousand series in batches of ten thousand, as they come off the broker, against
COPY BINARY of the same rows in the same batches into an equal table, one transaction each.
"""

import json
from datetime import timedelta
from typing import Any

from benchmarks import _harness, _samples
from watchfleet.db.engine import transaction
from watchfleet.metrics import ingest
from watchfleet.model import Kind, Sample
from watchfleet.wire import pack

SERIES, SIZE, ROUNDS = 1000, 10_000, 5


def main() -> None:
    batches = 4 if _harness.quick() else 40
    start = _samples.midnight()
    span = _samples.DAY // 200
    rows = [
        _samples.columns(start + timedelta(microseconds=span * n), span, SIZE, SERIES, n)
        for n in range(ROUNDS * batches)
    ]
    arrivals = [start + timedelta(microseconds=span * (n + 1)) for n in range(ROUNDS * batches)]
    received = [json.loads(json.dumps(as_batch(one))) for one in rows]
    with _harness.store() as url:
        bare = prepare(url, start.date().isoformat())

        def ours(number: int) -> None:
            for n in range(number * batches, (number + 1) * batches):
                with transaction() as connection:
                    done = ingest.write(connection, f"batch-{n}", received[n], arrivals[n])
                assert done.accepted == SIZE

        def peer(number: int) -> None:
            for n in range(number * batches, (number + 1) * batches):
                with bare:
                    _samples.bare_copy(bare, "bare", rows[n])

        with transaction() as connection:
            ingest.write(connection, "warm-up", received[0], arrivals[0])
        times = _harness.alternate(ROUNDS, {"ours": ours, "peer": peer})
        bare.close()
    speed = {name: round(batches * SIZE / times.median(name)) for name in times.seconds}
    _harness.report(
        "ingest",
        speed["ours"] / speed["peer"],
        ">= 0.6",
        **speed,
        unit="samples/s",
        samples=ROUNDS * batches * SIZE,
        cpu_wait=times.wait(),
    )


def as_batch(rows: dict[str, Any]) -> Any:
    """The same rows as a client packs them."""
    labels = [{"host": f"host-{n}", "zone": f"zone-{n % 7}", "service": "bench"} for n in range(SERIES)]
    columns = zip(rows["series_id"].tolist(), rows["ts"].tolist(), rows["value"].tolist(), strict=True)
    return pack(Sample("bench", labels[n - 1], Kind.GAUGE, ts / 1e6, value) for n, ts, value in columns)


def prepare(url: str, day: str) -> Any:
    """A table like ours for the peer."""
    connection = _samples.connect(url)
    _samples.run(
        connection,
        "CREATE TABLE bare (series_id int NOT NULL, ts timestamptz NOT NULL, value float8 NOT NULL)"
        " PARTITION BY RANGE (ts)",
        "CREATE INDEX ON bare USING brin (ts) WITH (pages_per_range = 32)",
        f"CREATE TABLE bare_day PARTITION OF bare FOR VALUES FROM ('{day}') TO ('{day}'::date + 2)",
    )
    return connection


if __name__ == "__main__":
    main()
