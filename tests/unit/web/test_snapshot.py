"""However many ask, one read at a time, and none waits for it longer than it wants."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from support.servers import wait_until

from watchfleet.web.snapshot import Snapshot


class Source:
    """A read that counts, and that hangs or fails when told to."""

    def __init__(self) -> None:
        self.reads = 0
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def read(self) -> int:
        self.reads += 1
        self.gate.wait(30)
        if self.error:
            raise self.error
        return self.reads


def test_the_first_to_ask_waits_for_the_first_reading() -> None:
    reading = Snapshot(Source().read, fresh=60, usable=60).get(30)
    assert reading is not None
    assert reading.value == 1


def test_many_who_ask_at_once_cause_one_read() -> None:
    source = Source()
    source.gate.clear()
    snapshot = Snapshot(source.read, fresh=60, usable=60)
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(snapshot.get, 30) for _ in range(20)]
        wait_until(lambda: source.reads == 1)
        source.gate.set()
        readings = [one.result() for one in asked]
    assert {reading.value for reading in readings if reading} == {1}
    assert source.reads == 1


def test_an_old_reading_is_given_at_once_while_a_new_one_is_made() -> None:
    source = Source()
    snapshot = Snapshot(source.read, fresh=0, usable=60)
    snapshot.get(30)
    source.gate.clear()
    old = snapshot.get(30)
    assert old is not None
    assert old.value == 1
    source.gate.set()
    wait_until(lambda: (snapshot.get(0) or old).value > 1)


def test_a_read_that_hangs_is_waited_for_once_and_holds_nobody_later() -> None:
    source = Source()
    snapshot = Snapshot(source.read, fresh=0, usable=0)
    snapshot.get(30)
    wait_until(lambda: snapshot._reading_since is None)
    source.gate.clear()
    snapshot.get(0.1)
    began = time.monotonic()
    late = [snapshot.get(0.1) for _ in range(100)]
    assert time.monotonic() - began < 5  # a hundred waits would be ten seconds
    assert all(reading is not None and reading.age > 0 for reading in late)
    assert source.reads <= 3
    source.gate.set()


def test_a_read_that_fails_leaves_the_last_reading_and_is_tried_again() -> None:
    source = Source()
    snapshot = Snapshot(source.read, fresh=0, usable=60)
    snapshot.get(30)
    source.error = RuntimeError("gone")
    wait_until(lambda: bool(snapshot.get(0)) and source.reads > 3)
    reading = snapshot.get(0)
    assert reading is not None
    assert reading.value == 1
    source.error = None
    wait_until(lambda: (snapshot.get(0) or reading).value > 1)


def test_without_any_reading_there_is_none() -> None:
    source = Source()
    source.error = RuntimeError("gone")
    assert Snapshot(source.read, fresh=60, usable=60).get(0.2) is None
