import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.servers import wait_until

from watchfleet.embedded import leftovers
from watchfleet.embedded.directory import DataDirectory

Start = Callable[..., subprocess.Popen[bytes]]
# Short naps: a signal that comes just before a sleep is handled after it.
READY = "import signal, sys, time; {}; print('ready', flush=True); [time.sleep(0.05) for _ in range(1200)]"
STUBBORN = READY.format("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
POLITE = READY.format("signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))")


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a Python process with variables of its own, ready for signals."""
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str, **variables: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, **variables}
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path)


def test_only_what_carries_this_directory_s_mark_is_found(directory: DataDirectory, start: Start) -> None:
    ours = start(POLITE, **{leftovers.MARK: str(directory.path)})
    start(POLITE, **{leftovers.MARK: f"{directory.path}-other"})
    start(POLITE)
    assert [process.pid for process in leftovers.find(directory)] == [ours.pid]


def test_the_polite_end_by_themselves_and_the_stubborn_are_killed(
    directory: DataDirectory, start: Start
) -> None:
    mark = {leftovers.MARK: str(directory.path)}
    polite, stubborn = start(POLITE, **mark), start(STUBBORN, **mark)
    assert leftovers.sweep(directory, patience=1) == 2
    assert polite.wait(5) == 5
    assert stubborn.wait(5) == -9


def test_servers_end_after_the_others(directory: DataDirectory, start: Start, tmp_path: Path) -> None:
    order = tmp_path / "order"
    note = "signal.signal(signal.SIGTERM, lambda *_: (open(sys.argv[0], 'a'), sys.exit(0)))"
    code = note.replace("open(sys.argv[0], 'a')", f"open({str(order)!r}, 'a').write('%s\\n')")
    mark = {leftovers.MARK: str(directory.path)}
    start(READY.format(code % "server"), SUPERVISOR_GROUP_NAME="servers", **mark)
    start(READY.format(code % "worker"), SUPERVISOR_GROUP_NAME="fleet", **mark)
    leftovers.sweep(directory)
    assert order.read_text().split() == ["worker", "server"]


def test_without_patience_all_are_killed_at_once(directory: DataDirectory, start: Start) -> None:
    polite = start(POLITE, **{leftovers.MARK: str(directory.path)})
    leftovers.sweep(directory, patience=0)
    assert polite.wait(5) == -9


def test_a_child_is_left_to_its_parent(directory: DataDirectory, start: Start) -> None:
    """The parent gets the signal alone, ends the child as it sees fit, and then itself."""
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    parent = READY.format(
        f"import subprocess; c = subprocess.Popen([sys.executable, '-c', {child!r}]); "
        "signal.signal(signal.SIGTERM, lambda *_: (c.kill(), c.wait(), sys.exit(6)))"
    )
    process = start(parent, **{leftovers.MARK: str(directory.path)})
    leftovers.sweep(directory, patience=10)
    assert process.wait(5) == 6
    wait_until(lambda: not leftovers.find(directory))
