"""A fleet that stops, is killed, and continues: nothing is left behind, and nothing is forgotten."""

import signal
import subprocess

import pytest
from support.fleet import PATIENCE, Fleet
from support.servers import wait_until

from watchfleet.clock import utcnow


def until_it_stays(process: subprocess.Popen[str]) -> str:
    """Wait until a fleet in the foreground has come up; return what it said."""
    assert process.stdout is not None
    said = ""
    while "Ctrl-C stops it" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    return said


def rest(process: subprocess.Popen[str]) -> str:
    """What a fleet in the foreground says until it has ended."""
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read()
    process.wait(PATIENCE)
    return said


@pytest.mark.timeout(300)
def test_a_fleet_ends_and_continues_and_forgets_nothing(own_fleet: Fleet) -> None:
    # In the foreground, until Ctrl-C.
    process = own_fleet.start()
    until_it_stays(process)
    wait_until(own_fleet.is_healthy, PATIENCE)
    begun, ports = utcnow(), own_fleet.state
    wait_until(lambda: "postgres" in own_fleet.targets_up_since(begun), PATIENCE)
    process.send_signal(signal.SIGINT)
    assert "SIGINT: stopping" in rest(process)
    assert process.returncode == 0
    own_fleet.assert_nothing_is_left()
    ended = utcnow()

    with (own_fleet.directory.log / "supervisord.log").open("a") as log:
        log.write(
            4 * "2026-01-01 00:00:00,000 INFO spawned: 'postgres' with pid 1\n"
        )  # a hard time, long ago

    # In the background, on the same ports, with all history, until its supervisor is killed.
    done = own_fleet.run("up", "--wait", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "continued in" in done.stdout
    assert own_fleet.state.web_port == ports.web_port
    assert own_fleet.state.postgres_port == ports.postgres_port
    assert "postgres" in own_fleet.targets_up_between(begun, ended)
    own_fleet.kill(own_fleet.pid("supervisord"))
    orphans = {process.pid for process in own_fleet.processes()}
    assert orphans
    assert own_fleet.run("status").returncode == 3

    # In the foreground again: the orphans are replaced. Its supervisor is killed, too.
    process = own_fleet.start()
    assert "a supervisor that was killed" in until_it_stays(process)
    wait_until(own_fleet.is_healthy, PATIENCE)
    assert orphans.isdisjoint(process.pid for process in own_fleet.processes())
    assert "postgres" in own_fleet.targets_up_between(begun, ended)
    own_fleet.kill(own_fleet.pid("supervisord"))
    assert "supervisord ended unexpectedly" in rest(process)
    assert process.returncode == 1
    own_fleet.assert_nothing_is_left()
