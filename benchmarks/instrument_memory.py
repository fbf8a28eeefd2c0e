"""What it costs to watch a worker's memory: the samples of each half minute, and a snapshot in the making.

A task builds and drops what a web application's does (dictionaries, texts, JSON) and keeps a little. It runs
without us, with samples taken as often as they are (each `vitals.PERIOD`), during a snapshot, and beside
tracemalloc always on, which is what a worker would have to run to know the leaking line beforehand. The first
figure is the share of a busy worker's CPU time that the samples take; a snapshot must end within its tasks,
its seconds and its memory, and leave nothing behind.
"""

import json
import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Any, Final

from benchmarks import _harness
from watchfleet.errors import ConfigError
from watchfleet.instrument.bursts import BOOKKEEPING, Bursts, Order
from watchfleet.instrument.client import Client
from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.shipping import Broker
from watchfleet.instrument.vitals import PERIOD, SLOW, Vitals
from watchfleet.model import Activity

TASKS: Final = 200
GOAL: Final = 0.01
_kept: list[str] = []


class Recorder(Client):
    """A client that keeps what it is given, as the broker is not what is measured."""

    def __init__(self) -> None:
        super().__init__("bench", _no_broker)
        self.told: list[Any] = []

    def record(self, row: Any) -> None:
        """Keep it."""
        self.told.append(row)


def _no_broker() -> Broker:
    raise ConfigError("nothing is shipped")


def task() -> None:
    """About a millisecond of work."""
    rows = [{"id": number, "name": f"order {number}", "parts": list(range(10))} for number in range(500)]
    _kept.append(json.dumps(rows)[:200])


def main() -> None:
    rounds = 3 if _harness.quick() else 9
    lifetime.client = recorder = Recorder()
    vitals = Vitals()
    sample = _cpu(vitals._take, 20 * SLOW)  # noqa: SLF001 - what is measured
    usual = _usual(vitals)
    vitals.begin()  # gives its place up
    plain, during, after, always = [], [], [], []
    for _ in range(rounds):
        plain.append(_cpu(task, TASKS))
        tracemalloc.start(25)
        always.append(_cpu(task, TASKS))
        tracemalloc.stop()
        during.append(_snapshot())
        after.append(_cpu(task, TASKS))
    results = [row.fields for row in recorder.told if isinstance(row, Activity)]
    assert len(results) == rounds, "each snapshot ended by itself"
    lifetime.client = None
    base = median(plain)
    _harness.report(
        "instrument_memory",
        sample / PERIOD / GOAL,
        "<= 1: samples take less than 1 % of a busy worker's CPU; a snapshot ends in its budget",
        ours=round(100 * sample / PERIOD, 5),
        peer=100 * GOAL,
        unit="% of CPU",
        sample_us=round(1e6 * usual, 1),
        sample_goal="<= 50 us, without what is taken at each tenth",
        sample_mean_us=round(1e6 * sample, 1),
        task_us=round(1e6 * base, 1),
        slower={
            "during a snapshot": round(median(during) / base, 2),
            "after it": round(median(after) / base, 2),
            "tracemalloc, 25 frames": round(median(always) / base, 2),
        },
        snapshot={
            "tasks": results[-1]["tasks"],
            "of": TASKS,
            "seconds": round(max(one["duration"] for one in results), 3),
            "bookkeeping_mib": round(max(one["bookkeeping_bytes"] for one in results) / 2**20, 2),
            "of_mib": BOOKKEEPING >> 20,
            "first_line": json.loads(results[-1]["0"])["source"],
        },
        left_tracing=tracemalloc.is_tracing(),
    )


def _usual(vitals: Vitals) -> float:
    """CPU seconds of a sample, but for those which also ask what takes milliseconds to find out."""
    taken = []
    for _ in range(50):
        vitals._take()  # noqa: SLF001 - likewise
        taken.append(_cpu(vitals._take, SLOW - 1))  # noqa: SLF001 - likewise
    return median(taken)


def _snapshot() -> float:
    """CPU seconds of a task while a snapshot is taken, its end included."""
    bursts = Bursts()
    bursts.begin(Order("bench", TASKS, 60.0, time.time() + 60), "bench/0")

    def step() -> None:
        task()
        bursts.worked("task")

    return _cpu(step, TASKS)


def _cpu(run: Callable[[], Any], times: int) -> float:
    """CPU seconds of one."""
    began = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - began) / times


if __name__ == "__main__":
    main()
