"""Writers and rollup workers at the same time; then every tier is right and no sample missing."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text
from support.rollup_oracle import differences

from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, transaction
from watchfleet.metrics import ingest, rollups
from watchfleet.model import Kind, Sample

WRITERS, BATCHES, SIZE = 3, 30, 40

pytestmark = pytest.mark.usefixtures("environment")


def batch(rng: np.random.Generator, now: datetime) -> list[Sample]:
    """Most of it new, a fifth of it late, of few series and few slices, so that everybody meets."""
    ago = np.where(rng.random(SIZE) < 0.2, rng.uniform(0, 7200, SIZE), rng.uniform(0, 400, SIZE))
    kinds = (Kind.GAUGE, Kind.COUNTER)
    return [
        Sample(f"m_{kinds[n % 2]}", {"host": str(n % 4)}, kinds[n % 2], now.timestamp() - ago[n], float(n))
        for n in range(SIZE)
    ]


def write(number: int) -> int:
    rng, accepted = np.random.default_rng(number), 0
    for n in range(BATCHES):
        now = utcnow()
        samples = batch(rng, now)
        for _ in range(2 if n % 5 == 0 else 1):  # every fifth is delivered again
            with transaction() as connection:
                accepted += ingest.write_samples(connection, f"{number}-{n}", samples, now).accepted
                time.sleep(rng.uniform(0, 0.01))  # marks and samples wait for their commit
    return accepted


def tick(stop: threading.Event, ahead: timedelta) -> int:
    steps = 0
    while not stop.is_set():
        with transaction() as connection:
            done = rollups.advance(connection, utcnow() + ahead)
            time.sleep(0.002)
        steps += done.steps
    return steps


def while_ticking(work: Callable[[], int]) -> int:
    stop = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        # The second looks from a later day: every bucket is over for it, and it climbs all tiers at once.
        ticks = [pool.submit(tick, stop, timedelta(days=days)) for days in (0, 2, 0)]
        try:
            done = work()
        finally:
            stop.set()
        assert all(one.result() > 0 for one in ticks)
    return done


def test_every_tier_is_right_after_writers_and_workers_raced():
    with ThreadPoolExecutor(WRITERS) as pool:
        accepted = while_ticking(lambda: sum(pool.map(write, range(WRITERS))))
    assert accepted == WRITERS * BATCHES * SIZE
    rollups.drain(get_engine(), datetime.now(UTC) + timedelta(days=2))
    with transaction() as connection:
        assert connection.scalar(text("SELECT count(*) FROM samples")) == accepted
        assert differences(connection) == []
