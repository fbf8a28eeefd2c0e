"""What a busy worker loses with everything on: tasks a second, with `watchfleet.instrument` and without.

Three real prefork workers with one child each, on queues of their own, run the same tasks in turn: bare; with
task metrics, memory, queries and correlation ids; and with spans of tasks and queries too. A task does what a
small one of a shop does: it reads an order and its ten lines by SQLAlchemy's ORM, adds them up, and writes
the order, in one transaction of a real PostgreSQL. The messages are there before a round begins; what is
measured is the time until the last of them is done. Samples go to a Valkey, spans to a receiver.
"""

import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import redis

from benchmarks import _harness, _shop, _worker
from benchmarks.instrument_cost import sink

GOAL: Final = 0.95
CONTESTANTS: Final = ("bare", "ours", "ours_with_spans")
PATIENCE: Final = 300.0
"""Seconds that a round may take."""


def main() -> None:
    tasks, rounds = (200, 3) if _harness.quick() else (1000, 10)
    rates: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    with ExitStack() as stack:
        database, broker = stack.enter_context(_harness.store()), stack.enter_context(_worker.broker())
        address, folder = stack.enter_context(sink()), Path(stack.enter_context(TemporaryDirectory()))
        _shop.fill(_shop.engine(database))
        runs = {
            name: stack.enter_context(host(name, database, broker, address, folder)) for name in CONTESTANTS
        }
        for number in range(-1, rounds):  # the first warms up
            for name in CONTESTANTS if number % 2 else CONTESTANTS[::-1]:
                seconds = runs[name](tasks)
                if number >= 0:
                    rates[name].append(tasks / seconds)
    found = {name: median(values) for name, values in rates.items()}
    _harness.report(
        "instrument_all",
        found["ours"] / found["bare"],
        f">= {GOAL}",
        ours=round(found["ours"], 1),
        peer=round(found["bare"], 1),
        unit="tasks/s of one child, median",
        tasks=tasks * rounds,
        with_spans=round(found["ours_with_spans"] / found["bare"], 3),
    )


@contextmanager
def host(
    name: str, database: str, broker: str, address: str, folder: Path
) -> Iterator[Callable[[int], float]]:
    """A worker; what is yielded has it do so many tasks, and returns the seconds that took."""
    variables = {
        "BENCH_HOST": name,
        "BENCH_DATABASE": database,
        "BENCH_BROKER": broker,
        "BENCH_SINK": address,
    }
    options = ["--pool=prefork", "--concurrency=1", "--without-gossip", "--without-mingle", "-Q", name]
    command = [sys.executable, "-m", "celery", "-A", "benchmarks._shop_worker", "worker"]
    log = folder / f"{name}.log"
    with _worker.process([*command, *options, "-n", f"{name}@bench", "-l", "WARNING"], log, **variables):
        client = redis.Redis.from_url(broker)
        yield lambda tasks: timed(client, name, tasks)
        client.close()


def timed(client: "redis.Redis", name: str, tasks: int) -> float:
    """Seconds until so many tasks are done."""
    client.delete(f"{name}:done")
    messages = [message(name, number % _shop.ORDERS) for number in range(tasks)]
    began = time.perf_counter()
    client.lpush(name, *messages)
    while int(client.get(f"{name}:done") or 0) < tasks:
        assert time.perf_counter() - began < PATIENCE, f"{name} does not get on"
        time.sleep(0.01)
    return time.perf_counter() - began


def message(queue: str, order: int) -> str:
    """A message of Celery's protocol 2, as kombu writes it into Redis."""
    identity = str(uuid.uuid4())
    headers = {"lang": "py", "task": "add_up", "id": identity, "root_id": identity, "retries": 0}
    properties = {
        "correlation_id": identity,
        "delivery_mode": 2,
        "delivery_tag": identity,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": "utf-8",
    }
    body = json.dumps([[order], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    return json.dumps(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": properties,
        }
    )


if __name__ == "__main__":
    main()
