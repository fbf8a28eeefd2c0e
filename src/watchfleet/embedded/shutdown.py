"""From a running fleet to nothing, by another process than the one that started it."""

import os
import signal
import time
from contextlib import suppress
from typing import Final

from watchfleet.embedded import leftovers, report, supervisord
from watchfleet.embedded.directory import DataDirectory, claim, claimant, is_claimed
from watchfleet.embedded.interruption import Interruption
from watchfleet.embedded.startup import Progress
from watchfleet.embedded.state import State
from watchfleet.errors import FleetError

_PATIENCE: Final = 50
"""Above what the processes may take together, group after group."""
_EVERY: Final = 0.1


def bring_down(directory: DataDirectory, progress: Progress, interruption: Interruption) -> bool:
    """Stop the directory's fleet, and what a killed supervisor left; return whether there was anything.

    Raises:
        FleetError: It could not be stopped.
        SignalReceivedError: A signal came; the fleet goes on stopping by itself.
    """
    if not directory.path.is_dir():
        return False
    ran = is_claimed(directory)
    if ran:
        with progress.step("Processes"):
            _ask(directory)
            _await(directory, interruption)
    with claim(directory, "down") as lock:
        if lock is None:
            raise FleetError(f"another watchfleet command has taken {directory.path} meanwhile")
        left = leftovers.find(directory)
        if left:
            with progress.step("Processes of a supervisor that was killed") as step:
                step.say(f"{leftovers.sweep(directory)} ended")
        state = State.load(directory)
        supervisord.remove_traces(directory, state.runtime if state else None)
    return ran or bool(left)


def _ask(directory: DataDirectory) -> None:
    """Tell who can stop it in order: the `up` that started it, if it still lives, else supervisord."""
    by, state = claimant(directory), State.load(directory)
    if by is not None and by.command == "up" and by.lives():
        with suppress(ProcessLookupError):
            os.kill(by.pid, signal.SIGTERM)
    elif state is not None:
        with suppress(FleetError):
            report.supervisor_of(directory, state).shutdown()


def _await(directory: DataDirectory, interruption: Interruption) -> None:
    end = time.monotonic() + _PATIENCE
    while is_claimed(directory):
        if time.monotonic() > end:
            leftovers.sweep(directory, patience=0)  # among them supervisord, and with it the lock
            return
        interruption.pause(_EVERY)
