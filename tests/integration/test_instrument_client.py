"""The client against a real broker that goes away, hangs and comes back, in processes that fork and end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from redis import Redis
from support.ingested import read
from support.own_valkey import Valkey
from support.servers import wait_until

from watchfleet.instrument.buffer import DROPPED
from watchfleet.instrument.client import Client
from watchfleet.instrument.shipping import Broker
from watchfleet.model import Event, Kind


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Valkey]:
    with ExitStack() as stack:
        yield Valkey(tmp_path, stack)


@pytest.fixture
def client(broker: Valkey) -> Iterator[Client]:
    own = Client("app", lambda: Broker(broker.url), flush_interval=0.05, timeout=0.5)
    yield own
    own.close(5)


def event(account: str) -> Event:
    return Event("account_scraped", 1.0, "instagram", account, None, {})


def test_what_is_recorded_arrives_as_it_was(client: Client, broker: Valkey) -> None:
    duration = client.series("task_duration_seconds", Kind.DURATION, task="a")
    for number in range(5000):
        client.observe(duration, number)
        client.count(client.series("task_started_total", Kind.EVENT, task="a"))
        client.record(event(str(number)))
    assert client.flush()
    found = read(broker.url)
    assert [row.value for row in found.of("task_duration_seconds", task="a", service="app")] == list(
        range(5000)
    )
    assert found.total("task_started_total", task="a") == 5000
    assert [row.account for row in found.events] == [str(number) for number in range(5000)]
    assert set(found.deliveries.values()) == {1}


def test_nothing_is_lost_while_the_broker_is_away(client: Client, broker: Valkey) -> None:
    client.record(event("before"))
    assert client.flush()
    broker.stop()
    for number in range(2500):
        client.record(event(str(number)))
    assert not client.flush(0.3)
    broker.start()
    client.record(event("after"))
    assert client.flush(20)
    names = [row.account for row in read(broker.url).events]
    assert names == ["before", *(str(number) for number in range(2500)), "after"]


def test_a_batch_that_hung_keeps_its_id(client: Client, broker: Valkey) -> None:
    """A stopped server still reads what was written to it: the same batch may arrive twice, under one id."""
    client.record(event("before"))
    assert client.flush()
    broker.process.send_signal(signal.SIGSTOP)
    client.record(event("during"))
    wait_until(lambda: client._failures > 0)
    broker.process.send_signal(signal.SIGCONT)
    client.record(event("after"))
    assert client.flush(20)
    found = read(broker.url)
    assert sorted(row.account for row in found.events) == ["after", "before", "during"]
    assert found.deliveries.total() > len(found.deliveries), "nothing came twice, so nothing was shown"


def test_what_did_not_fit_is_told(broker: Valkey) -> None:
    broker.stop()
    small = Client("app", lambda: Broker(broker.url), capacity=100, flush_interval=0.05, timeout=0.5)
    for number in range(300):
        small.record(event(str(number)))
    wait_until(lambda: small._failures > 0)
    for number in range(300, 600):
        small.record(event(str(number)))
    broker.start()
    assert small.flush(20)
    assert small.close(5)
    found = read(broker.url)
    assert found.total(DROPPED, rows="events", service="app") + len(found.events) == 600
    assert 0 < len(found.events) <= 200
    assert found.events[-1].account == "599"


def test_a_broker_that_lost_its_data_gets_the_next_batch_too(client: Client, broker: Valkey) -> None:
    client.record(event("before"))
    assert client.flush()
    with closing(Redis.from_url(broker.url)) as redis:
        redis.flushall()
    client.record(event("after"))
    assert client.flush()
    assert [row.account for row in read(broker.url).events] == ["after"]


def run(code: str, broker: Valkey) -> str:
    """Run a host application; returns what it logged."""
    prelude = """
import os, signal, sys, threading, time, watchfleet
from watchfleet.signals import account_scraped
client = watchfleet.instrument(service="app", flush_interval=30, buffer_size=1_000_000)
def record(name): account_scraped.send(None, platform="x", account=name)
"""
    done = subprocess.run(
        [sys.executable, "-c", prelude + code],
        env=os.environ | {"BROKER_URL": broker.url},
        stderr=subprocess.PIPE,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def accounts(broker: Valkey) -> list[str]:
    return sorted(row.account for row in read(broker.url).events)


def test_a_script_that_ends_has_shipped(broker: Valkey) -> None:
    run("record('a')", broker)
    assert accounts(broker) == ["a"]


def test_a_script_that_ends_without_a_broker_says_what_it_lost(broker: Valkey) -> None:
    broker.stop()
    assert "2 rows are lost" in run("record('a'); record('b')", broker)


def test_a_script_that_fails_has_shipped(broker: Valkey) -> None:
    run(
        "record('a')\nif os.fork() == 0:\n    raise SystemExit('the child ends')\nassert os.wait()[1]",
        broker,
    )
    assert accounts(broker) == ["a"]


def test_parent_and_child_each_ship_their_own_once(broker: Valkey) -> None:
    """Forked while the parent's thread publishes and its lock is in use, over and over."""
    run(
        """
stop = threading.Event()
def busy():
    while not stop.is_set():
        record("noise"); client.hurry(); time.sleep(0.0005)
threading.Thread(target=busy, daemon=True).start()
for number in range(20):
    record(f"parent-{number}")
    if os.fork() == 0:
        stop.set()
        record(f"child-{number}")
        os._exit(0 if client.flush(20) else 1)
assert [os.wait()[1] for _ in range(20)] == [0] * 20
stop.set()
""",
        broker,
    )
    expected = sorted(f"{who}-{number}" for who in ("parent", "child") for number in range(20))
    assert [name for name in accounts(broker) if name != "noise"] == expected


def test_no_signal_handler_can_lock_the_host(broker: Valkey) -> None:
    """A handler that records runs while the interrupted code holds the buffer."""
    run(
        """
seen = []
signal.signal(signal.SIGALRM, lambda *_: (seen.append(1), record("handler")))
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
while len(seen) < 300:
    record("main")
signal.setitimer(signal.ITIMER_REAL, 0)
""",
        broker,
    )
    assert accounts(broker).count("handler") >= 300
