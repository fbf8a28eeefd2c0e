import os
import signal
import sys
import threading
from contextlib import suppress

import psutil
import pytest
from support.servers import wait_until

from watchfleet.embedded.commands import run
from watchfleet.embedded.interruption import Interruption, SignalReceivedError
from watchfleet.errors import FleetError

TAG = f"test_commands_{os.getpid()}"


def python(code: str, timeout: float = 20, interruption: Interruption | None = None) -> str:
    command, environment = [sys.executable, "-c", code], {**os.environ, TAG: "1"}
    return run(command, interruption or Interruption(), timeout=timeout, environment=environment)


def left() -> list[psutil.Process]:
    """What such a command, or a child of it, left running."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if TAG in process.environ():
                found.append(process)
    return found


def test_it_returns_what_was_written_to_both_streams() -> None:
    assert python("import sys; print('out', flush=True); print('err', file=sys.stderr)") == "out\nerr"


def test_a_failure_carries_what_was_written() -> None:
    with pytest.raises(FleetError, match="no room"):
        python("raise SystemExit('no room')")


def test_a_failure_without_a_word_carries_the_code() -> None:
    with pytest.raises(FleetError, match="ended with code 7"):
        python("raise SystemExit(7)")


def test_a_command_that_takes_too_long_is_ended() -> None:
    with pytest.raises(FleetError, match="did not end within 0 s"):
        python("import time; time.sleep(60)", timeout=0.2)
    assert not left()


def test_a_signal_ends_the_command_and_its_children() -> None:
    code = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    with Interruption() as interruption:
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(SignalReceivedError):
            python(code, interruption=interruption)
        timer.join()
    wait_until(lambda: not left())
