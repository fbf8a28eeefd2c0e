"""What is sampled of a process, under which name, and how often."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from flask import Flask

from watchfleet.errors import ConfigError
from watchfleet.instrument import celery, flask
from watchfleet.instrument.bursts import Order, bursts
from watchfleet.instrument.client import Client
from watchfleet.instrument.faults import faults
from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.memory import memory_limit, resident_bytes, unique_bytes
from watchfleet.instrument.shipping import Broker
from watchfleet.instrument.slots import Slot
from watchfleet.instrument.vitals import PERIOD, SLOW, Vitals, vitals
from watchfleet.model import Activity, Sample

SLOW_ONES = {"process_unique_memory_bytes", "process_memory_limit_bytes"}


def _no_broker() -> Broker:
    raise ConfigError("these rows are read by the test")


class Recorder(Client):
    """A client that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__("shop", _no_broker)
        self.rows: list[Sample] = []

    def record(self, row: Sample) -> None:
        self.rows.append(row)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Recorder]:
    client = Recorder()
    monkeypatch.setattr(lifetime, "client", client)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield client
    vitals.begin()  # gives its slot up
    assert client.close(5)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_samples_are_taken_when_something_was_done_and_it_is_time(recorder: Recorder, clock: list[float]):
    vitals = Vitals()
    vitals.worked("grow", tasks=1)
    assert recorder.rows == []
    clock[0] += PERIOD
    vitals.worked("grow", tasks=1)
    vitals.worked("grow", tasks=1)
    values = {row.name: row.value for row in recorder.rows}
    assert len(values) == len(recorder.rows) >= 10
    assert values["process_tasks_done"] == 2
    assert values["process_resident_memory_bytes"] == pytest.approx(resident_bytes(), rel=0.2)
    assert values["process_resident_memory_bytes"] < values["process_memory_limit_bytes"]
    assert 0 < values["process_unique_memory_bytes"] <= resident_bytes()
    assert values["process_open_fds"] >= 3
    assert values["process_threads"] >= 1
    assert time.time() - 60 < values["process_start_time_seconds"] <= time.time()
    assert {row.labels["process"].rpartition("/")[2] for row in recorder.rows} == {"0"}


def test_what_takes_long_is_asked_for_rarely(recorder: Recorder, clock: list[float]):
    vitals = Vitals()
    for _ in range(SLOW + 1):
        clock[0] += PERIOD
        vitals.worked("grow")
    names = [row.name for row in recorder.rows]
    assert names.count("process_resident_memory_bytes") == SLOW + 1
    assert {names.count(name) for name in SLOW_ONES} == {2}


def test_a_folder_of_somebody_else_costs_the_samples_and_nothing_more(
    recorder: Recorder, clock: list[float], tmp_path: Path
):
    (tmp_path / f"watchfleet-{os.getuid()}").symlink_to(tmp_path)
    vitals = Vitals()
    clock[0] += PERIOD
    vitals.worked("grow")
    assert recorder.rows == []
    assert faults.take()["vitals"] == 1


def test_the_end_of_a_task_is_work(recorder: Recorder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vitals, "_due", 0.0)
    celery.install()
    app = Celery("shop", broker="memory://", set_as_current=False)

    @app.task(name="work")
    def work() -> None:
        pass

    work.apply()
    assert "process_start_time_seconds" in {row.name for row in recorder.rows}


def test_the_end_of_a_request_is_work(recorder: Recorder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vitals, "_due", 0.0)
    app = Flask("shop")
    flask.install(app)
    app.test_client().get("/")
    assert "process_start_time_seconds" in {row.name for row in recorder.rows}


def test_a_slot_is_free_again_when_its_process_is_dead(tmp_path: Path):
    code = "import sys; from pathlib import Path; from watchfleet.instrument.slots import Slot\n"
    code += "slot = Slot('a/b', Path(sys.argv[1])); print(slot.number, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path)]
    numbers, others = [], []
    for _ in range(2):
        other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        numbers.append(int(other.stdout.readline()))
        others.append(other)
    others[0].communicate()
    slot = Slot("a/b", tmp_path)
    others[1].communicate()
    assert (numbers, slot.number) == ([0, 1], 0)
    slot.leave()


def test_the_limit_is_the_machines_or_less():
    assert 0 < memory_limit() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert unique_bytes() > 0


def test_requests_end_a_memory_snapshot(recorder: Recorder):
    app = Flask("shop")
    app.add_url_rule("/grow", "grow", lambda: "grown")
    flask.install(app)
    bursts.begin(Order("a1", 8, 60, time.time() + 60), "shop/0")
    for _ in range(8):
        app.test_client().get("/grow")
    (told,) = (row.fields for row in recorder.rows if isinstance(row, Activity))
    assert (told["tasks"], told["ran"]) == (8, '{"/grow": 8}')
