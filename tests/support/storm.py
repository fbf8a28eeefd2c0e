"""Writers and rollup workers as processes of their own, which a storm kills together with their PostgreSQL.

A writer notes in a ledger what it is going to send, and only then sends it; whoever takes its place sends
what was noted last once more. So the ledgers tell, to the sample, what the store must hold in the end.
"""

import json
import multiprocessing
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import Connection, text
from support.mortal import Mortal
from support.rollup_oracle import differences
from support.servers import ROOT, wait_until

from watchfleet.clock import utcnow
from watchfleet.db.engine import get_engine, in_transaction, transaction
from watchfleet.metrics import ingest, marks, rollups
from watchfleet.metrics.tiers import TIERS
from watchfleet.model import Kind, Sample

WRITERS, WORKERS, SIZE, HOSTS = 2, 2, 40, 4
LATE, LATEST = 0.2, 3 * 3600
PATIENCE = 60.0
LONGEST, ENOUGH = 60.0, 40
"""A storm goes on for that many seconds at most, until that many batches were sent."""

LATER = timedelta(days=2)
"""By then every bucket is over."""

_KINDS = (Kind.GAUGE, Kind.COUNTER)
_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["support.storm"])


_OR_NOTHING: Final = """
CREATE UNIQUE INDEX one_mark ON dirty_slice (tier, slice);
CREATE FUNCTION or_nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF pg_trigger_depth() > 1 THEN RETURN NEW; END IF;
  INSERT INTO dirty_slice (shard, tier, slice, marked_at)
    VALUES (NEW.shard, NEW.tier, NEW.slice, NEW.marked_at) ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER or_nothing BEFORE INSERT ON dirty_slice FOR EACH ROW EXECUTE FUNCTION or_nothing();
"""
"""Has every mark put with ON CONFLICT DO NOTHING, for its whole slice."""


class Arm(Enum):
    """The algorithm in the storm: ours, or one that is known to be wrong."""

    OURS = "ours"
    NO_BATCH_ID = "no batch id"
    DO_NOTHING = "dirty marks with a unique key and ON CONFLICT DO NOTHING"
    LAST_WINDOWS = "a rollup of the last three windows"


@dataclass
class Outcome:
    """What the store came to.

    Attributes:
        sent: Samples in the ledgers.
        missing: Of them not in the store.
        doubled: In the store more often than they were sent.
        wrong: Differences of the tiers from what the store's samples give.
        kills: How often what was killed.
    """

    sent: int
    missing: int
    doubled: int
    wrong: list[str]
    kills: Counter[str] = field(default_factory=Counter)

    @property
    def is_right(self) -> bool:
        return not (self.missing or self.doubled or self.wrong)

    def __str__(self) -> str:
        kills = ", ".join(f"{times} x {what}" for what, times in sorted(self.kills.items())) or "none"
        told = f"{self.sent} samples, {self.missing} missing, {self.doubled} double"
        return f"{told}, {len(self.wrong)} differences in the tiers; killed: {kills}"


class Ledger:
    """What one writer sent: the times of its batches, which with their numbers tell their contents."""

    def __init__(self, folder: Path, seed: int, writer: int) -> None:
        self._path, self._seed, self._writer = folder / f"{writer}.ledger", seed, writer

    def times(self) -> list[float]:
        if not self._path.exists():
            return []
        lines = self._path.read_text().split("\n")[:-1]  # the last one may be half written
        return [json.loads(line) for line in lines]

    def note(self, at: float) -> None:
        with self._path.open("a") as file:
            file.write(f"{json.dumps(at)}\n")

    def batch_id(self, number: int) -> str:
        return f"{self._writer}-{number}"

    def batch(self, number: int, at: float) -> list[Sample]:
        """Most of it new, a fifth late; of few series and slices, so that everybody meets."""
        rng = np.random.default_rng((self._seed, self._writer, number))
        ago = np.where(rng.random(SIZE) < LATE, rng.uniform(0, LATEST, SIZE), rng.uniform(0, 400, SIZE))
        values = np.round(rng.lognormal(3, 2, SIZE), 3)
        series = rng.integers(0, 2 * HOSTS, SIZE).tolist()
        return [
            Sample(
                f"m_{_KINDS[n % 2]}",
                {"host": str(n // 2)},
                _KINDS[n % 2],
                at - float(ago[i]),
                float(values[i]),
            )
            for i, n in enumerate(series)
        ]


def ledgers(folder: Path, seed: int) -> list[Ledger]:
    return [Ledger(folder, seed, writer) for writer in range(WRITERS)]


def write(url: str, folder: Path, seed: int, number: int, arm: Arm) -> None:
    """A writer, until it is killed."""
    os.environ["DATABASE_URL"] = url
    mine, rng = ledgers(folder, seed)[number], random.Random()
    sent = mine.times()
    if sent:
        _deliver(mine, len(sent) - 1, sent[-1], arm)
    while True:
        at = time.time()
        mine.note(at)
        _deliver(mine, len(sent), at, arm)
        sent.append(at)
        if rng.random() < 0.2:  # anyone's batch comes again, perhaps while it comes for the first time
            other = rng.choice(ledgers(folder, seed))
            times = other.times()
            if times:
                again = rng.choice((len(times) - 1, rng.randrange(len(times))))
                _deliver(other, again, times[again], arm)


def roll(url: str, arm: Arm, number: int) -> None:
    """A rollup worker, until it is killed; half of them see every bucket as over and climb all the tiers."""
    os.environ["DATABASE_URL"] = url
    ahead = LATER if number % 2 else timedelta(0)
    while True:
        in_transaction(lambda connection: _tick(connection, utcnow() + ahead, arm), PATIENCE)
        time.sleep(random.uniform(0, 0.01))


def _deliver(ledger: Ledger, number: int, at: float, arm: Arm) -> None:
    batch_id = uuid.uuid4().hex if arm is Arm.NO_BATCH_ID else ledger.batch_id(number)
    samples = ledger.batch(number, at)

    def store(connection: Connection) -> None:
        ingest.write_samples(connection, batch_id, samples, datetime.fromtimestamp(at, UTC))
        time.sleep(random.uniform(0, 0.02))  # marks and samples wait for their commit

    in_transaction(store, PATIENCE)
    time.sleep(random.uniform(0, 0.005))  # committed, and the writer does not know it yet


def _tick(connection: Connection, now: datetime, arm: Arm) -> None:
    if arm is Arm.LAST_WINDOWS:
        _mark_last_windows(connection, now)
    rollups.advance(connection, now)


def _mark_last_windows(connection: Connection, now: datetime) -> None:
    connection.execute(text("DELETE FROM dirty_slice WHERE tier = 0"))
    newest, width = TIERS[0].bucket(marks.microseconds(utcnow())), TIERS[0].width
    starts = np.array([newest - n * width for n in range(3)])
    marks.put(connection, TIERS[0], starts, np.zeros(3, np.int64), now)


def storm(
    arm: Arm, folder: Path, url: str, server: Mortal, *, seed: int, seconds: float, outages: int
) -> Outcome:
    """Let writers and workers run, kill one after the other, then see what the store came to.

    Args:
        arm: What they do.
        folder: For the ledgers; empty.
        url: The store, empty but for its schema; also this process's own.
        server: Its PostgreSQL.
        seed: Of what is sent, and of what is killed when.
        seconds: How long.
        outages: How often PostgreSQL is killed in that time.
    """
    os.environ["DATABASE_URL"] = url
    _warm_up()
    if arm is Arm.DO_NOTHING:
        with transaction() as connection:
            connection.exec_driver_sql(_OR_NOTHING)
    starts: list[tuple[str, Callable[[], BaseProcess]]] = [
        ("writer", partial(_start, write, url, folder, seed, n, arm)) for n in range(WRITERS)
    ]
    starts += [("worker", partial(_start, roll, url, arm, n)) for n in range(WORKERS)]
    sent = partial(_batches, folder, seed)
    kills = _rage(starts, server, random.Random(seed), Length(seconds, outages, sent))
    wait_until(_is_alone)
    with transaction() as connection:
        connection.execute(text("DROP INDEX IF EXISTS one_mark"))
    outcome = _settle(folder, seed, arm)
    outcome.kills = kills
    return outcome


@dataclass
class Length:
    """How long a storm is: some seconds, and on a machine that is busy until enough was done and killed."""

    seconds: float
    outages: int
    batches: Callable[[], int]

    def goes_on(self, passed: float, kills: Counter[str]) -> bool:
        done = kills["PostgreSQL"] >= self.outages and kills["writer"] > 0 and kills["worker"] > 0
        return passed < self.seconds or (passed < LONGEST and not (done and self.batches() >= ENOUGH))

    def is_outage(self, passed: float, kills: Counter[str]) -> bool:
        killed = kills["PostgreSQL"]
        return killed < self.outages and passed > self.seconds * (killed + 0.5) / self.outages


def _batches(folder: Path, seed: int) -> int:
    return sum(len(ledger.times()) for ledger in ledgers(folder, seed))


def _warm_up() -> None:
    """Have the process that others are forked from import what they need, once."""
    os.environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    process = _start(_do_nothing)
    process.join(60)
    assert process.exitcode == 0


def _do_nothing() -> None:
    pass


def _start(target: Callable[..., None], *arguments: object) -> BaseProcess:
    process = _FORK.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def _rage(
    starts: list[tuple[str, Callable[[], BaseProcess]]],
    server: Mortal,
    rng: random.Random,
    length: "Length",
) -> Counter[str]:
    kills: Counter[str] = Counter()
    with _all(starts) as processes:
        began = time.monotonic()
        while length.goes_on(passed := time.monotonic() - began, kills):
            time.sleep(rng.uniform(0.1, 0.6))
            if length.is_outage(passed, kills):
                server.kill()
                server.start()
                kills["PostgreSQL"] += 1
                continue
            victim = rng.randrange(len(processes))
            what, start = starts[victim]
            _kill(processes[victim])
            processes[victim] = start()
            kills[what] += 1
    return kills


@contextmanager
def _all(starts: list[tuple[str, Callable[[], BaseProcess]]]) -> Iterator[list[BaseProcess]]:
    processes = [start() for _, start in starts]
    try:
        yield processes
    finally:
        for process in processes:
            _kill(process)


def _kill(process: BaseProcess) -> None:
    assert process.is_alive(), f"{process} ended by itself with {process.exitcode}"
    process.kill()
    process.join(10)


def _is_alone() -> bool:
    """Whether the servers of those who were killed are gone, with what they had begun."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    with transaction() as connection:
        return connection.scalar(text(f"{query} AND pid <> pg_backend_pid()")) == 0


def _settle(folder: Path, seed: int, arm: Arm) -> Outcome:
    """Deliver everything once more, roll up what is marked, and compare."""
    sent: Counter[tuple[str, str, int, float]] = Counter()
    for ledger in ledgers(folder, seed):
        for number, at in enumerate(ledger.times()):
            samples = ledger.batch(number, at)
            sent.update((one.name, one.labels["host"], round(one.ts * 1e6), one.value) for one in samples)
            if number + 1 == len(ledger.times()) or number % 10 == 0:
                _deliver_now(ledger, number, at, arm)
    if arm is Arm.LAST_WINDOWS:
        with transaction() as connection:
            _mark_last_windows(connection, utcnow())
    rollups.drain(get_engine(), utcnow() + LATER, seconds=PATIENCE)
    with transaction() as connection:
        stored = _stored(connection)
        wrong = differences(connection)
    return Outcome(sent.total(), (sent - stored).total(), (stored - sent).total(), wrong)


def _deliver_now(ledger: Ledger, number: int, at: float, arm: Arm) -> None:
    batch_id = uuid.uuid4().hex if arm is Arm.NO_BATCH_ID else ledger.batch_id(number)
    with transaction() as connection:
        now = datetime.fromtimestamp(at, UTC)
        ingest.write_samples(connection, batch_id, ledger.batch(number, at), now)


def _stored(connection: Connection) -> Counter[tuple[str, str, int, float]]:
    rows = connection.execute(
        text(
            "SELECT name, labels ->> 'host', (extract(epoch FROM ts) * 1000000)::bigint, value"
            " FROM samples JOIN series ON series.id = series_id"
        )
    )
    return Counter((name, host, ts, value) for name, host, ts, value in rows)
