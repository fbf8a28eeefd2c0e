"""Real beats on real servers: one leads, whatever happens to it, and no slot is sent twice."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import pytest
from celery import Celery
from sqlalchemy import make_url
from support.broker import Ticks
from support.processes import Process, started
from support.relay import Relay, relay_to
from support.servers import wait_until

DISPATCH = "watchfleet.probes.dispatch"
SWEEP = "watchfleet.upkeep.sweep_outbox"
KEEP = "watchfleet.upkeep.keep_partitions"


class Beats:
    """Beats on the test's database and broker."""

    def __init__(self, folder: Path, database_url: str, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.database_url = database_url
        self.processes: list[Process] = []

    def start(self, *arguments: str, **variables: str) -> Process:
        name = f"beat-{len(self.processes) + 1}"
        log = self._folder / f"{name}.log"
        command = ("beat", f"--hostname={name}@here", "--loglevel=INFO", *arguments)
        process = self._stack.enter_context(started(*command, log=log, **variables))
        self.processes.append(process)
        return process

    def row(self) -> tuple[int, str]:
        """The number of the term, and who holds it."""
        with closing(psycopg2.connect(self.database_url)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT epoch, holder FROM beat_leader")
            return cursor.fetchone() or (0, "")

    def leader(self) -> Process | None:
        holder = self.row()[1]
        return next((process for process in self.processes if holder.endswith(f":{process.pid}")), None)

    def await_leader(self, *but: Process) -> Process:
        wait_until(lambda: self.leader() not in (None, *but))
        found = self.leader()
        assert found is not None
        return found

    def execute(self, statement: str) -> None:
        with closing(psycopg2.connect(self.database_url)) as connection, connection:
            connection.cursor().execute(statement)

    def end_sessions(self) -> None:
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'watchfleet-beat' AND datname = current_database()"
        )


@pytest.fixture
def beats(environment: pytest.MonkeyPatch, database_url: str, tmp_path: Path) -> Iterator[Beats]:
    with ExitStack() as stack:
        yield Beats(tmp_path, database_url, stack)


@pytest.fixture
def ticks(redis_url: str) -> Iterator[Ticks]:
    with Ticks(redis_url) as found:
        yield found


def test_a_leader_that_is_killed_stopped_or_ended_is_replaced(beats: Beats, ticks: Ticks):
    for _ in range(3):
        beats.start()
    killed = beats.await_leader()
    ticks.wait_for(DISPATCH)

    killed.signal(signal.SIGKILL)
    stopped = beats.await_leader(killed)
    ticks.wait_for(DISPATCH)

    stopped.signal(signal.SIGSTOP)
    ended = beats.await_leader(killed, stopped)
    ticks.wait_for(DISPATCH)
    stopped.signal(signal.SIGCONT)
    stopped.wait_for("another beat leads")

    ended.signal(signal.SIGTERM)
    assert ended.wait() == 0
    assert beats.await_leader(ended) is stopped
    ticks.wait_for(DISPATCH)

    assert ticks.doubled() == []
    assert ticks.of(KEEP) == ticks.of(KEEP)[:1]
    for entry in (DISPATCH, SWEEP):
        assert ticks.of(entry) == sorted(ticks.of(entry))
    assert not list(Path.cwd().glob("celerybeat-schedule*"))


def test_a_leader_that_is_cut_off_from_postgres_is_replaced(beats: Beats, ticks: Ticks):
    with relay_to(make_url(beats.database_url).port or 0) as relay:
        cut_off = beats.start(DATABASE_URL=through(relay, beats.database_url))
        beats.await_leader()
        heir = beats.start()
        heir.wait_for("beat: Starting")
        ticks.wait_for(DISPATCH)
        relay.freeze()
        assert beats.await_leader(cut_off) is heir
        ticks.wait_for(DISPATCH)
        cut_off.wait_for("PostgreSQL is away")
        relay.thaw()
        cut_off.wait_for("PostgreSQL is back")
        ticks.wait_for(DISPATCH)
    assert cut_off.runs
    assert ticks.doubled() == []


def test_ticks_come_back_after_every_outage(beats: Beats, ticks: Ticks, redis_url: str):
    with (
        relay_to(make_url(beats.database_url).port or 0) as postgres,
        relay_to(make_url(redis_url).port or 0) as broker,
    ):
        beat = beats.start(
            DATABASE_URL=through(postgres, beats.database_url), BROKER_URL=through(broker, redis_url)
        )
        ticks.wait_for(DISPATCH)
        term = beats.row()[0]

        broker.freeze()
        beat.wait_for("the broker is away")
        broker.thaw()
        ticks.wait_for(DISPATCH)
        assert beats.row()[0] == term

        beats.end_sessions()
        beat.wait_for("leads: term", 2)
        ticks.wait_for(DISPATCH)
        postgres.cut()
        beat.wait_for("PostgreSQL is away", 2)
        postgres.mend()
        ticks.wait_for(DISPATCH)
        assert beat.runs


def test_a_slot_that_could_not_be_sent_is_sent_later(beats: Beats, ticks: Ticks, redis_url: str):
    with relay_to(make_url(redis_url).port or 0) as broker:
        beat = beats.start(BROKER_URL=through(broker, redis_url))
        wait_until(lambda: len(ticks.of(KEEP)) == 1)
        broker.cut()
        beats.execute(f"UPDATE beat_entry SET slot = slot - interval '1 hour' WHERE name = '{KEEP}'")
        beats.end_sessions()  # the next term finds the hourly entry due, and claims it before it knows
        beat.wait_for("the broker is away")
        assert len(ticks.of(KEEP)) == 1
        broker.mend()
        wait_until(lambda: len(ticks.of(KEEP)) == 2)


def test_ping_reaches_every_beat_and_goes_silent_when_ticks_stall(beats: Beats, redis_url: str):
    for _ in range(2):
        beats.start("beat.remote_control_max_tick_age=2")
    everyone = {"beat-1@here", "beat-2@here"}
    with Celery(broker=redis_url, set_as_current=False) as app:
        wait_until(lambda: answers(app) == everyone)
        with closing(psycopg2.connect(beats.database_url)) as connection:
            connection.cursor().execute("LOCK TABLE beat_leader")
            wait_until(lambda: answers(app) == set())
        wait_until(lambda: answers(app) == everyone)


def answers(app: Celery) -> set[str]:
    return {name for reply in app.control.ping(timeout=0.5) for name in reply}


def through(relay: Relay, url: str) -> str:
    return make_url(url).set(port=relay.port).render_as_string(hide_password=False)
