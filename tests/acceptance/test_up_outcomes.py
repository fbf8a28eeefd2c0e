"""Starts that cannot succeed, and starts that are broken off: each ends clearly and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fleet import Fleet
from support.servers import wait_until

from watchfleet.embedded import postgres
from watchfleet.embedded.directory import DataDirectory
from watchfleet.embedded.leftovers import MARK
from watchfleet.embedded.state import LAYOUT, State


@pytest.fixture(autouse=True)
def _nothing_is_left(own_fleet: Fleet) -> Iterator[None]:
    yield
    own_fleet.assert_nothing_is_left()


def refused(fleet: Fleet, *arguments: str) -> str:
    """What an `up` that cannot succeed says."""
    done = fleet.run("up", "--wait", "--detach", *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("option", ["--port", "--flower-port"])
def test_a_taken_port_is_named_with_its_holder_and_the_option(own_fleet: Fleet, option: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        said = refused(own_fleet, option, str(port))
    assert f"port {port} is taken by" in said
    assert f"(pid {os.getpid()})" in said
    assert f"name another with {option}" in said


def test_data_of_another_postgres_is_refused_and_left_as_it_is(own_fleet: Fleet) -> None:
    own_fleet.directory.prepare()
    State().save(own_fleet.directory)
    own_fleet.directory.postgres.mkdir()
    (own_fleet.directory.postgres / "PG_VERSION").write_text("15\n")
    said = refused(own_fleet, "--port", "0")
    assert f"PostgreSQL 15, and this watchfleet brings {postgres.MAJOR}" in said
    assert [entry.name for entry in own_fleet.directory.postgres.iterdir()] == ["PG_VERSION"]


def test_data_of_another_layout_is_refused(own_fleet: Fleet) -> None:
    own_fleet.directory.prepare()
    State(layout=LAYOUT + 1).save(own_fleet.directory)
    assert f"layout {LAYOUT + 1}" in refused(own_fleet)


def test_a_folder_that_cannot_be_written_is_named(own_fleet: Fleet) -> None:
    own_fleet.directory.path.touch()
    assert "name another with --data-dir" in refused(own_fleet)


def test_a_folder_that_cannot_be_made_is_named(own_fleet: Fleet) -> None:
    own_fleet.directory = DataDirectory(Path("/proc/watchfleet"))  # not even root may write there
    assert "name a folder with --data-dir" in refused(own_fleet)


def test_a_server_that_does_not_start_is_named_with_its_last_words(own_fleet: Fleet) -> None:
    own_fleet.directory.prepare()
    state = State()
    state.save(own_fleet.directory)
    postgres.initialise(own_fleet.directory.postgres, state.postgres_password)
    with (own_fleet.directory.postgres / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = 'a lot'\n")
    said = refused(own_fleet, "--port", "0")
    assert "postgres ends again and again" in said
    assert 'invalid value for parameter "shared_buffers"' in said


def test_a_database_that_does_not_answer_is_named_before_anything_starts(own_fleet: Fleet) -> None:
    own_fleet.environment["DATABASE_URL"] = "postgresql://u:topsecret@127.0.0.1:1/x"
    said = refused(own_fleet, "--port", "0")
    assert "PostgreSQL does not answer" in said
    assert "topsecret" not in said


def test_a_setting_that_cannot_be_used_is_a_matter_of_the_configuration(own_fleet: Fleet) -> None:
    own_fleet.environment["LOG_MAX_FILES"] = "many"
    done = own_fleet.run("up")
    assert done.returncode == 2
    assert "LOG_MAX_FILES" in done.stderr


@pytest.mark.parametrize(
    ("after", "signum"),
    [
        ("watchfleet", signal.SIGTERM),
        ("Data", signal.SIGINT),
        ("Servers", signal.SIGTERM),
        ("Schema", signal.SIGINT),
    ],
)
def test_a_signal_during_the_start_stops_what_has_started(
    own_fleet: Fleet, after: str, signum: signal.Signals
) -> None:
    """The signal comes as soon as the start tells that the step `after` is done."""
    process = own_fleet.start()
    assert process.stdout is not None
    with process.stdout:
        while after not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signum)
        said = process.stdout.read()
    assert process.wait(60) == 0
    assert f"{signum.name}: stopping" in said


def test_a_start_in_the_background_that_is_broken_off_did_not_succeed(own_fleet: Fleet) -> None:
    process = own_fleet.start("--wait", "--detach")
    assert process.stdout is not None
    with process.stdout:
        while "Data" not in process.stdout.readline():
            assert process.poll() is None
        process.terminate()
        process.stdout.read()
    assert process.wait(60) == 128 + signal.SIGTERM


def test_down_ends_a_start(own_fleet: Fleet) -> None:
    process = own_fleet.start()
    assert process.stdout is not None
    with process.stdout:
        while "Data" not in process.stdout.readline():
            assert process.poll() is None
        own_fleet.down()
        process.stdout.read()
    assert process.wait(60) == 0


def test_a_start_that_is_killed_takes_its_processes_with_it(own_fleet: Fleet) -> None:
    process = own_fleet.start()
    assert process.stdout is not None
    with process.stdout:
        while "Servers" not in process.stdout.readline():
            assert process.poll() is None
        process.kill()
    process.wait()
    wait_until(lambda: not own_fleet.processes(), 60)
    own_fleet.down()


def test_where_nothing_runs_status_and_down_say_so(own_fleet: Fleet) -> None:
    status, as_json = own_fleet.run("status"), own_fleet.run("status", "--json")
    assert (status.returncode, as_json.returncode) == (3, 3)
    assert "No fleet runs in" in status.stdout
    assert json.loads(as_json.stdout)["state"] == "stopped"
    done = own_fleet.run("down")
    assert done.returncode == 0
    assert "Nothing runs in" in done.stdout
    assert not own_fleet.directory.path.exists()


def test_logs_without_a_fleet_is_an_error(own_fleet: Fleet) -> None:
    done = own_fleet.run("logs")
    assert done.returncode == 1
    assert "no fleet in" in done.stderr


def test_doctor_names_what_is_broken_and_what_mends_it(own_fleet: Fleet) -> None:
    own_fleet.environment["BROKER_URL"] = "redis://127.0.0.1:1/0"
    own_fleet.directory.path.touch()
    done = own_fleet.run("doctor", "--json")
    assert done.returncode == 1
    checks = json.loads(done.stdout)["checks"]
    failed = {check["check"]: check for check in checks if check["level"] == "fail"}
    assert set(failed) == {"data directory", "broker"}
    assert "BROKER_URL" in failed["broker"]["mend"]


def test_outside_of_a_checkout_the_fleet_s_files_are_missing(own_fleet: Fleet) -> None:
    own_fleet.environment["WATCHFLEET_HOME"] = str(own_fleet.folder)
    assert "holds no celeryconfig.py" in refused(own_fleet)


def test_down_ends_what_a_killed_supervisor_left(own_fleet: Fleet) -> None:
    own_fleet.directory.prepare()
    left = {**os.environ, MARK: str(own_fleet.directory.path)}
    orphan = subprocess.Popen(["sleep", "60"], env=left)
    assert "1 processes are left" in own_fleet.run("status").stdout
    assert "1 ended" in own_fleet.down().stdout
    assert orphan.wait(10) == -signal.SIGTERM
