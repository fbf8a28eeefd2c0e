"""Ingest beside a bare COPY: what the batch id, the checks, the marks and the counters cost.

Two million samples of a thousand series in batches of ten thousand, as they come off the broker, against
COPY BINARY of the same rows in the same batches into an equal table, one transaction each.

And the whole way: as many samples given to a client's `send`, shipped over Valkey in the client's batches,
stored by the fleet's ingest worker, against COPY BINARY of batches of that size.
"""

import gc
import json
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks import _harness, _samples, _worker
from watchfleet import fleet
from watchfleet.db.engine import transaction
from watchfleet.instrument.buffer import MOST_ROWS
from watchfleet.instrument.client import Client
from watchfleet.instrument.shipping import Broker
from watchfleet.metrics import ingest
from watchfleet.model import Kind, Sample
from watchfleet.wire import pack

SERIES, SIZE, ROUNDS = 1000, 10_000, 5
PATIENCE = 120.0


def main() -> None:
    batches = 4 if _harness.quick() else 40
    total = ROUNDS * batches * SIZE
    with _harness.store() as url:
        bare = prepare(url, _samples.midnight().date().isoformat())
        alone = transaction_alone(bare, batches)
        whole, memory = whole_way(bare, batches)
        bare.close()
    speed = {
        name: round(batches * SIZE / times.median(name)) for times in (alone, whole) for name in times.seconds
    }
    way = speed["whole_way"] / speed["peer_of_its_batches"]
    _harness.report(
        "ingest",
        speed["ours"] / speed["peer"],
        ">= 0.6",
        **speed,
        unit="samples/s",
        whole_way_ratio=round(way, 3),
        whole_way_goal=">= 0.25",
        worker_mib=memory,
        samples=total,
        cpu_wait=alone.wait(),
    )


def transaction_alone(bare: Any, batches: int) -> _harness.Times:
    """Time the ingest of decoded messages, and COPY."""
    start, span = _samples.midnight(), _samples.DAY // 200
    rows = [
        _samples.columns(start + timedelta(microseconds=span * n), span, SIZE, SERIES, n)
        for n in range(ROUNDS * batches)
    ]
    arrivals = [start + timedelta(microseconds=span * (n + 1)) for n in range(ROUNDS * batches)]
    received = [json.loads(json.dumps(as_batch(one))) for one in rows]

    def ours(number: int) -> None:
        for n in range(number * batches, (number + 1) * batches):
            with transaction() as connection:
                done = ingest.write(connection, f"batch-{n}", received[n], arrivals[n])
            assert done.accepted == SIZE

    def peer(number: int) -> None:
        for one in rows[number * batches : (number + 1) * batches]:
            with bare:
                _samples.bare_copy(bare, "bare", one)

    with transaction() as connection:
        ingest.write(connection, "warm-up", received[0], arrivals[0])
    return _harness.alternate(ROUNDS, {"ours": ours, "peer": peer})


def whole_way(bare: Any, batches: int) -> tuple[_harness.Times, list[int]]:
    """Time what a client records until it is stored, and COPY; also MiB of the worker after each round."""
    memory: list[int] = []
    count = batches * SIZE
    rows = _samples.columns(_samples.midnight(), _samples.DAY // 200 * batches, count, SERIES)
    parts = [
        {name: column[at : at + MOST_ROWS] for name, column in rows.items()}
        for at in range(0, count, MOST_ROWS)
    ]
    with tempfile.TemporaryDirectory() as folder, _worker.broker() as address:
        client = Client("bench", lambda: Broker(address))
        labels = [{"host": f"host-{n}", "zone": f"zone-{n % 7}", "service": "bench"} for n in range(SERIES)]
        samples = [
            Sample("way", labels[n - 1], Kind.GAUGE, ts / 1e6, value)
            for n, ts, value in zip(*(rows[name].tolist() for name in _samples.NAMES), strict=True)
        ]
        gc.freeze()  # the samples are the host's, and no part of what is measured
        with _worker.worker(fleet.INGEST_QUEUE, address, Path(folder) / "worker.log") as process:

            def ours(_: int) -> None:
                due = stored() + count
                for at in range(0, count, SIZE):
                    client.send(samples[at : at + SIZE])
                    # More would push out the oldest.
                    until(lambda: len(client.buffer) <= client.capacity - SIZE)
                client.flush(PATIENCE)
                until(lambda: stored() >= due, every=0.01)  # asked more often, it takes a share of the cores
                memory.append(_worker.memory(process))

            def peer(_: int) -> None:
                for one in parts:
                    with bare:
                        _samples.bare_copy(bare, "bare", one)

            client.send(samples[:1])
            client.flush(PATIENCE)
            until(lambda: stored() % SIZE == 1)
            times = _harness.alternate(ROUNDS, {"whole_way": ours, "peer_of_its_batches": peer})
        client.close(PATIENCE)
    return times, memory


def stored() -> int:
    """How many samples are in."""
    with transaction() as connection:
        return int(connection.scalar(text("SELECT sum(accepted) FROM ingest_batch")) or 0)


def until(condition: Callable[[], bool], every: float = 0.002) -> None:
    """Wait for a condition, at most `PATIENCE` seconds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(every)


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
