"""Probes of servers, against real ones that serve, refuse, hang and die."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from kombu import Connection, Queue
from redis import Redis
from sqlalchemy import text
from support.mortal import mortal_valkey, silent_port
from support.servers import PostgresServer, free_port, running, wait_until
from support.target_of import checked

from watchfleet import fleet
from watchfleet.db.engine import transaction
from watchfleet.embedded import postgres
from watchfleet.embedded.privileges import hand_over, unprivileged
from watchfleet.model import ProbeResult
from watchfleet.probes import celery_workers
from watchfleet.probes.batch import check
from watchfleet.probes.targets import get_targets


def outcome(result: ProbeResult) -> tuple[str, str]:
    return str(result.status), result.reason


def values(result: ProbeResult, name: str, label: str) -> dict[str, float]:
    return {found.labels[label]: found.value for found in result.values if found.name == name}


# --- postgres


def test_postgres(postgres_server: PostgresServer) -> None:
    good = postgres_server.url()
    assert outcome(checked("postgres", url=good)) == ("up", "")
    assert outcome(checked("postgres", url=good.replace("postgresql://", "postgresql+psycopg2://"))) == (
        "up",
        "",
    )
    wrong = good.replace(postgres_server.password, "wrong")
    assert outcome(checked("postgres", url=wrong)) == ("down", "auth_failed")
    assert outcome(checked("postgres", url=postgres_server.url("nowhere"))) == ("down", "database_missing")
    result = checked("postgres", url=f"postgresql://u:p@127.0.0.1:{free_port()}/d")
    assert outcome(result) == ("down", "connection_refused")
    assert "127.0.0.1" not in result.detail


def test_a_postgres_that_hangs_is_down_in_time() -> None:
    with silent_port() as port:
        began = time.monotonic()
        result = checked("postgres", url=f"postgresql://u:p@127.0.0.1:{port}/d", timeout="1s")
        assert outcome(result) == ("down", "timeout")
        assert time.monotonic() - began < 10


def named(result: ProbeResult) -> dict[str, float]:
    return {found.name: found.value for found in result.values if not found.labels}


def test_what_a_postgres_tells_of_itself(postgres_server: PostgresServer) -> None:
    url = postgres_server.url()
    good = checked("postgres", url=url, query="SELECT count(*) FROM generate_series(1, 3)", expected="3")
    assert outcome(good) == ("up", "")
    assert named(good)["postgres_connections"] >= 1
    assert named(good)["postgres_max_connections"] > 90
    assert "postgres_replication_lag_seconds" not in named(good)
    other = checked("postgres", url=url, query="SELECT 'four'", expected="3")
    assert (outcome(other), other.answer) == (("down", "answer_mismatch"), "four")
    assert outcome(checked("postgres", url=url, query="SELECT nothing")) == ("down", "query_failed")
    assert outcome(checked("postgres", url=url, query="CREATE TABLE written ()")) == ("down", "query_failed")
    few = checked("postgres", url=url, degraded_above_connections_percent=0.1)
    assert outcome(few) == ("degraded", "too_many_connections")


def test_an_old_transaction_and_a_standby_that_is_behind(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.url()
    with closing(psycopg2.connect(url)) as session:
        session.cursor().execute("SELECT 1")
        fields = {"url": url, "degraded_above_transaction": "1s"}
        wait_until(lambda: outcome(checked("postgres", **fields)) == ("degraded", "long_transaction"))
    with standby(postgres_server, tmp_path) as behind:
        wait_until(lambda: "postgres_replication_lag_seconds" in named(checked("postgres", url=url)))
        fields = {"url": behind.url(), "degraded_above_lag": "1s"}
        assert outcome(checked("postgres", **fields)) == ("up", "")
        behind.execute("SELECT pg_wal_replay_pause()")
        postgres_server.drop(postgres_server.create())
        wait_until(lambda: outcome(checked("postgres", **fields)) == ("degraded", "replication_lag"))


@contextmanager
def standby(primary: PostgresServer, folder: Path) -> Iterator[PostgresServer]:
    """A server that follows another."""
    port, data = free_port(), folder / "standby"
    data.mkdir(mode=0o700)
    hand_over(data)
    copy = [
        str(postgres.binary("pg_basebackup")),
        f"--pgdata={data}",
        "-R",
        "-X",
        "stream",
        "-d",
        primary.url(),
    ]
    subprocess.run(unprivileged(copy), check=True, timeout=60)
    with running(postgres.serve_command(data, port), folder / "standby.log", signal.SIGINT):
        server = PostgresServer(port, primary.password)
        wait_until(server.answers)
        yield server


# --- redis


def test_what_a_redis_tells_of_itself(tmp_path: Path) -> None:
    with ExitStack() as stack:
        _, url = stack.enter_context(mortal_valkey(tmp_path / "primary"))
        _, other = stack.enter_context(mortal_valkey(tmp_path / "replica"))
        primary = stack.enter_context(closing(Redis.from_url(url)))
        replica = stack.enter_context(closing(Redis.from_url(other)))
        result = checked("redis", url=url)
        assert outcome(result) == ("up", "")
        assert named(result)["redis_memory_used_bytes"] > 100_000
        primary.config_set("maxmemory", 100_000)
        assert outcome(checked("redis", url=url)) == ("degraded", "low_memory")
        primary.config_set("maxmemory", 0)
        where = primary.connection_pool.connection_kwargs
        replica.config_set("masterauth", where["password"])
        replica.replicaof(where["host"], where["port"])
        wait_until(lambda: named(checked("redis", url=url))["redis_connected_replicas"] == 1)
        wait_until(lambda: outcome(checked("redis", url=other)) == ("up", ""))
        replica.replicaof("127.0.0.1", free_port())
        wait_until(lambda: outcome(checked("redis", url=other)) == ("degraded", "replication_lag"))
        place, name = (primary.config_get(one)[one] for one in ("dir", "dbfilename"))
        (Path(place) / name).mkdir()  # where no file can be put
        primary.bgsave()
        wait_until(lambda: outcome(checked("redis", url=url)) == ("degraded", "persistence_failed"))


def test_redis(redis_url: str) -> None:
    assert outcome(checked("redis", url=redis_url)) == ("up", "")
    place = redis_url.partition("@")[2]
    assert outcome(checked("redis", url=f"redis://:wrong@{place}")) == ("down", "auth_failed")
    assert outcome(checked("redis", url=f"redis://127.0.0.1:{free_port()}")) == ("down", "connection_refused")
    assert outcome(checked("redis", url="redis://nowhere.invalid")) == ("down", "dns_failure")
    with silent_port() as port:
        assert outcome(checked("redis", url=f"redis://127.0.0.1:{port}", timeout="1s")) == ("down", "timeout")


# --- queues


def fill(url: str, queue: Queue, messages: int) -> None:
    with Connection(url) as connection:
        for number in range(messages):
            connection.Producer().publish(number, routing_key=queue.name, declare=[queue])


def test_the_depth_of_queues_on_redis(redis_url: str) -> None:
    fill(redis_url, Queue("orders"), 5)
    fields = {"url": redis_url, "queues": ["orders", "nothing"]}
    result = checked("celery_queue", **fields)
    assert outcome(result) == ("up", "")
    assert values(result, "celery_queue_length", "queue") == {"orders": 5, "nothing": 0}
    assert outcome(checked("celery_queue", degraded_above=4, **fields)) == ("degraded", "queue_too_long")
    long = checked("celery_queue", degraded_above=1, down_above=4, **fields)
    assert outcome(long) == ("down", "queue_too_long")
    assert long.detail == "5 messages wait in orders"


def test_the_age_of_the_oldest_message(redis_url: str) -> None:
    fields = {"url": redis_url, "queues": ["orders"], "degraded_above_age": "500ms", "down_above_age": "1h"}
    assert values(checked("celery_queue", **fields), "celery_queue_oldest_seconds", "queue") == {"orders": 0}
    fill(redis_url, Queue("orders"), 2)
    assert outcome(checked("celery_queue", **fields)) == ("up", "")
    wait_until(lambda: outcome(checked("celery_queue", **fields)) == ("degraded", "queue_too_old"))
    with Connection(redis_url) as connection:
        connection.SimpleQueue("orders").get(block=False).ack()
    assert outcome(checked("celery_queue", **fields)) == ("up", "")  # another one is the oldest
    with Connection(redis_url) as connection:
        connection.SimpleQueue("orders").get(block=False).ack()
        headers = {fleet.PUBLISHED_HEADER: time.time() - 7200}
        connection.Producer().publish("old", routing_key="orders", headers=headers)
    old = checked("celery_queue", **fields)
    assert (outcome(old), old.detail) == (("down", "queue_too_old"), "a message waits in orders for 7200 s")


def test_on_rabbitmq(rabbitmq_url: str) -> None:
    fill(rabbitmq_url, Queue("orders", queue_arguments={"x-queue-type": "quorum"}), 3)
    fields = {"url": rabbitmq_url, "queues": ["nothing", "orders"]}
    wait_until(
        lambda: (
            values(checked("celery_queue", **fields), "celery_queue_length", "queue")
            == {"nothing": 0, "orders": 3}
        )
    )
    assert outcome(checked("rabbitmq", url=rabbitmq_url)) == ("up", "")
    wrong = rabbitmq_url.replace("guest:guest", "guest:wrong")
    assert outcome(checked("rabbitmq", url=wrong)) == ("down", "auth_failed")


def test_a_broker_that_is_away_says_nothing_of_its_queues_and_workers() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    assert outcome(checked("celery_queue", url=url, queues=["a"])) == ("unknown", "connection_refused")
    assert outcome(checked("celery_workers", url=url, expected=["a"])) == ("unknown", "connection_refused")
    assert outcome(checked("celery_canary", url=url, queues=["a"])) == ("unknown", "connection_refused")
    refused = f"amqp://127.0.0.1:{free_port()}//"
    assert outcome(checked("rabbitmq", url=refused)) == ("down", "connection_refused")
    with silent_port() as port:
        hanging = checked("rabbitmq", url=f"amqp://127.0.0.1:{port}//", timeout="1s")
        assert outcome(hanging) == ("down", "timeout")


# --- workers


@contextmanager
def worker(url: str, name: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    options = ["--pool=solo", "--without-gossip", "--without-mingle", f"--hostname={name}@here", f"-Q{name}"]
    command = [sys.executable, "-m", "celery", "--quiet", "-b", url, "worker", *options]
    variables = {**os.environ, "PYTHONWARNINGS": "default"}
    # Where no celeryconfig lies: with ours, it would declare our queues, and of another type than the fleet.
    with running(command, log, signal.SIGKILL, variables, log.parent) as process:
        yield process


def test_workers_answer_and_a_killed_one_is_missed(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_workers, "SILENCE", 1.0)
    fields = {"url": redis_url, "expected": ["shop", "mail"]}
    with (
        worker(redis_url, "shop", tmp_path / "shop.log"),
        worker(redis_url, "mail", tmp_path / "mail.log") as mail,
    ):
        wait_until(lambda: checked("celery_workers", **fields).ok)
        result = checked("celery_workers", **fields)
        assert values(result, "celery_worker_up", "hostname") == {"mail@here": 1, "shop@here": 1}
        # Who waits for everybody's answer does not wait for the time to run out.
        assert result.duration < celery_workers.SILENCE
        exact = checked("celery_workers", url=redis_url, expected=["shop@here", "shop@elsewhere"])
        assert (outcome(exact), exact.detail) == (
            ("down", "workers_missing"),
            "no answer from shop@elsewhere",
        )
        mail.send_signal(signal.SIGKILL)
        mail.wait()
        missed = checked("celery_workers", **fields)
        assert (outcome(missed), missed.detail) == (("down", "workers_missing"), "no answer from mail")
        assert values(missed, "celery_worker_up", "hostname") == {"shop@here": 1}
        everybody = checked("celery_workers", url=redis_url)
        assert outcome(everybody) == ("up", "")
        with closing(Redis.from_url(redis_url, decode_responses=True)) as redis:
            assert not list(redis.scan_iter("*reply*"))
    nobody = checked("celery_workers", url=redis_url)
    assert (outcome(nobody), nobody.detail) == (("down", "workers_missing"), "no worker answers")


@pytest.mark.parametrize("broker", ["redis_url", "rabbitmq_url"])
def test_a_task_gets_through_each_queue_that_is_worked_on(
    broker: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue(broker)
    shop = {"url": url, "queues": ["shop"]}
    with (
        worker(url, "shop", tmp_path / "shop.log") as at_work,
        worker(url, "mail", tmp_path / "mail.log"),
    ):
        wait_until(lambda: checked("celery_canary", url=url, queues=["shop", "mail"]).ok)
        result = checked("celery_canary", url=url, queues=["shop", "mail"])
        assert outcome(result) == ("up", "")
        taken = values(result, "celery_canary_seconds", "queue")
        assert taken.keys() == {"shop", "mail"}
        assert 0 < max(taken.values()) == result.duration
        at_work.send_signal(signal.SIGSTOP)
        hangs = checked("celery_canary", url=url, queues=["shop", "mail"], timeout="4s")
        assert (outcome(hangs), hangs.detail) == (
            ("down", "no_progress"),
            "no task got through shop within 4 s",
        )
        assert values(hangs, "celery_canary_seconds", "queue").keys() == {"mail"}
        time.sleep(1)  # what is not taken expires, so that nothing piles up in front of a worker that hangs
        at_work.send_signal(signal.SIGCONT)
        wait_until(lambda: checked("celery_canary", **shop).ok)
        assert at_work.poll() is None
    nobody = checked("celery_canary", url=url, queues=["nobody"], timeout="1s")
    assert outcome(nobody) == ("down", "no_progress")


def test_a_canary_leaves_nothing_on_redis(redis_url: str, tmp_path: Path) -> None:
    with worker(redis_url, "shop", tmp_path / "shop.log"):
        wait_until(lambda: checked("celery_canary", url=redis_url, queues=["shop"]).ok)
        with closing(Redis.from_url(redis_url, decode_responses=True)) as redis:
            bound = set(redis.smembers("_kombu.binding.watchfleet.canary"))
            kept = [name for name in redis.scan_iter("*canary*") if not name.startswith("_kombu")]
    assert kept == []
    assert len(bound) == 1


def test_the_fleet_s_own_workers_may_still_be_starting(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(celery_workers, "SILENCE", 0.2)
    own = get_targets().by_name["celery-workers"]
    environment.setattr(celery_workers, "_began", time.monotonic())
    assert outcome(check(own)) == ("unknown", "starting")
    environment.setattr(celery_workers, "_began", time.monotonic() - celery_workers.STARTING_SECONDS - 1)
    missing = check(own)
    assert outcome(missing) == ("down", "workers_missing")
    assert "probes" in missing.detail


# --- beat


def test_beat_is_judged_by_its_last_tick(environment: pytest.MonkeyPatch, database_url: str) -> None:
    def after(seconds: float) -> ProbeResult:
        with transaction() as connection:
            connection.execute(
                text(
                    "INSERT INTO beat_leader (id, epoch, holder, ticked_at)"
                    " VALUES (1, 1, 'x', now() - make_interval(secs => :seconds))"
                    " ON CONFLICT (id) DO UPDATE SET ticked_at = excluded.ticked_at"
                ),
                {"seconds": seconds},
            )
        return checked("celery_beat", url=database_url)

    assert outcome(checked("celery_beat", url=database_url)) == ("down", "no_leader")
    assert outcome(after(0)) == ("up", "")
    assert outcome(after(8)) == ("degraded", "ticks_stalled")
    stalled = after(100)
    assert outcome(stalled) == ("down", "ticks_stalled")
    assert stalled.values[0].value >= 100
    away = checked("celery_beat", url=f"postgresql://127.0.0.1:{free_port()}/d")
    assert outcome(away) == ("unknown", "store_unavailable")
