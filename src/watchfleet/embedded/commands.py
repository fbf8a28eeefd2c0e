"""Run a short command to its end, or end it: at its time limit and on a signal."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from watchfleet.embedded.interruption import Interruption
from watchfleet.errors import FleetError


def run(
    command: list[str],
    interruption: Interruption,
    *,
    timeout: float,
    environment: Mapping[str, str],
    directory: Path | None = None,
) -> str:
    """Run `command` in a process group of its own and return what it wrote.

    Raises:
        FleetError: It failed or took longer than `timeout` seconds; holds what it wrote.
        SignalReceivedError: A signal came; the command is gone.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,  # a Ctrl-C at the terminal reaches us alone, and we pass it on
        )
        try:
            finished = _wait(process, interruption, timeout)
        finally:
            _end(process)
        output.seek(0)
        written = output.read().decode(errors="replace").strip()
    if not finished:
        raise FleetError(f"{Path(command[0]).name} did not end within {timeout:.0f} s: {written}")
    if process.returncode:
        raise FleetError(written or f"{Path(command[0]).name} ended with code {process.returncode}")
    return written


def _wait(process: subprocess.Popen[bytes], interruption: Interruption, timeout: float) -> bool:
    end = time.monotonic() + timeout
    while process.poll() is None:
        if time.monotonic() > end:
            return False
        interruption.pause(0.02)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signum)
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
