"""A spool in processes that are killed: nothing is lost, nothing is doubled."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.ingested import read
from support.own_valkey import Valkey
from support.servers import wait_until

from watchfleet.instrument.client import Client
from watchfleet.instrument.shipping import Broker
from watchfleet.model import Event, Kind

HOST = """
import os, sys, time, watchfleet
from watchfleet.signals import account_scraped
client = watchfleet.instrument(service="app", spool_dir=os.environ["SPOOL"], timeout=0.5, flush_interval=0.2)
def work(name, diary):
    number = 0
    while True:
        account_scraped.send(None, platform="x", account=f"{name}-{number}")
        client.count(client.series("done_total", watchfleet.model.Kind.EVENT, who=name))
        os.write(diary, f"{name}-{number}\\n".encode())
        number += 1
        time.sleep(0.0005)
diary = os.open(os.environ["DIARY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
account_scraped.send(None, platform="x", account=sys.argv[1])
for child in range(2):
    if os.fork() == 0:
        work(f"{sys.argv[1]}-child-{child}", diary)
work(f"{sys.argv[1]}-parent", diary)
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Valkey]:
    with ExitStack() as stack:
        yield Valkey(tmp_path, stack)


def client_of(broker: Valkey, folder: Path, **options: object) -> Client:
    find = lambda: Broker(broker.url)  # noqa: E731 - an argument with a name
    return Client("app", find, spool_dir=folder, timeout=0.5, **({"flush_interval": 0.05} | options))


def event(account: str) -> Event:
    return Event("account_scraped", 1.0, "x", account, None, {})


def names(broker: Valkey) -> Counter[str]:
    return Counter(row.account for row in read(broker.url).events)


def start(broker: Valkey, tmp_path: Path, name: str) -> subprocess.Popen[bytes]:
    variables = {"BROKER_URL": broker.url, "SPOOL": str(tmp_path / "spool"), "DIARY": str(tmp_path / "diary")}
    command = [sys.executable, "-c", HOST, name]
    return subprocess.Popen(command, env=os.environ | variables, start_new_session=True)


def lines(tmp_path: Path) -> list[str]:
    diary = tmp_path / "diary"
    # The last line of a process may be cut off by its end, and what it is of was recorded before.
    return diary.read_text().split() if diary.exists() else []


def test_nothing_is_lost_or_doubled_when_processes_with_children_are_killed(
    broker: Valkey, tmp_path: Path
) -> None:
    """Killed while the broker answers, and while it is away; one after the other takes over."""
    spool = tmp_path / "spool"
    for name, stops in (("first", False), ("second", True), ("third", False)):
        before = len(lines(tmp_path))
        host = start(broker, tmp_path, name)
        if stops:
            wait_until(lambda: len(lines(tmp_path)) > before + 100)  # noqa: B023 - used at once
            broker.stop()
            before = len(lines(tmp_path))
        wait_until(lambda: len(lines(tmp_path)) > before + 600)  # noqa: B023 - used at once
        os.killpg(host.pid, signal.SIGKILL)
        host.wait(10)
        if stops:
            broker.start()
    assert list(spool.glob("*.rows"))
    last = client_of(broker, spool)
    last.record(event("last"))
    assert last.flush(20)
    wait_until(lambda: not list(spool.glob("*.rows")))
    assert last.close(5)
    assert list(spool.iterdir()) == []
    found, told = names(broker), lines(tmp_path)
    assert set(found.values()) == {1}
    unknown = set(found) - set(told) - {"first", "second", "third", "last"}
    assert set(told) <= set(found)
    # At most one each was recorded and not yet in the diary.
    assert len(unknown) <= 9
    counted = read(broker.url).total("done_total")
    assert len(told) <= counted <= len(told) + 9


def test_a_batch_that_was_taken_over_after_it_was_sent_keeps_its_id(broker: Valkey, tmp_path: Path) -> None:
    """Killed between the publish and the note of it: what comes again is the same batch."""
    spool = tmp_path / "spool"
    code = """
import os, signal, watchfleet
from watchfleet.signals import account_scraped
client = watchfleet.instrument(service="app", spool_dir=os.environ["SPOOL"], flush_interval=0.05)
client.buffer.done = lambda: os.kill(os.getpid(), signal.SIGKILL)
for number in range(50):
    account_scraped.send(None, platform="x", account=str(number))
client.flush(20)
"""
    variables = os.environ | {"BROKER_URL": broker.url, "SPOOL": str(spool)}
    done = subprocess.run([sys.executable, "-c", code], env=variables, timeout=40, check=False)
    assert done.returncode == -signal.SIGKILL
    first = read(broker.url)
    assert len(first.events) > 0
    heir = client_of(broker, spool)
    heir.record(event("heir"))
    assert heir.flush(20)
    wait_until(lambda: not list(spool.glob("*.rows")))
    heir.close(5)
    found = read(broker.url)
    assert max(found.deliveries.values()) == 2
    assert names(broker) == Counter([*(str(number) for number in range(50)), "heir"])


def test_a_long_outage_is_bounded_on_disk_and_what_was_dropped_is_told(
    broker: Valkey, tmp_path: Path
) -> None:
    broker.stop()
    spool = tmp_path / "spool"
    small = client_of(broker, spool, spool_bytes=1_500_000)
    for number in range(60_000):
        small.record(event(str(number)))
    assert sum(path.stat().st_size for path in spool.glob("*.rows")) < 3_000_000
    broker.start()
    assert small.flush(20)
    small.close(5)
    found = read(broker.url)
    dropped = found.total("watchfleet_client_dropped_total", rows="events")
    assert dropped > 0
    assert len(found.events) + dropped == 60_000
    assert found.events[-1].account == "59999"


def test_damaged_lines_cost_themselves_alone(broker: Valkey, tmp_path: Path) -> None:
    broker.stop()
    spool = tmp_path / "spool"
    dead = client_of(broker, spool, flush_interval=3600)
    for number in range(10):
        dead.record(event(str(number)))
    dead.close(5)
    (path,) = spool.glob("*.rows")
    content = path.read_bytes().splitlines(keepends=True)
    content[3] = content[3].replace(b"account_scraped", b"account_sCraped")
    path.write_bytes(b"".join(content)[:-9])
    (spool / f"{'0' * 32}-00000000.rows").write_bytes(b"\xff\x00nonsense\n" * 3)
    broker.start()
    heir = client_of(broker, spool)
    heir.record(event("heir"))
    assert heir.flush(20)
    wait_until(lambda: not list(spool.glob("*.rows")))
    assert heir.flush(20)
    assert heir.close(5)
    assert set(names(broker)) == {*"01245678", "heir"}
    assert read(broker.url).total("watchfleet_client_errors_total", place="spool") == 5


def test_a_folder_that_cannot_be_written_to_leaves_rows_in_memory(broker: Valkey, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    plain = client_of(broker, tmp_path / "spool")
    plain.record(event("a"))
    plain.count(plain.series("done_total", Kind.EVENT))
    assert plain.flush(20)
    plain.close(5)
    assert names(broker) == Counter(["a"])
    assert read(broker.url).total("done_total") == 1
