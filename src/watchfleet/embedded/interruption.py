"""Signals that end a command at a place of its own choosing, never between two steps that belong together."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Final, Self

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


class SignalReceivedError(Exception):
    """A signal asked the command to end.

    Args:
        signum: The signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class Interruption:
    """Notes SIGINT, SIGTERM and SIGHUP while it is entered; each one wakes or ends one wait.

    SIGHUP stays ignored where it was (`nohup`). Outside of a `with` block nothing ever comes.
    """

    def __init__(self) -> None:
        self._came = threading.Event()
        self._signum = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take over the signals."""
        noted = [*_ENDING]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            noted.append(signal.SIGHUP)
        self._before = {signum: signal.signal(signum, self._note) for signum in noted}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            SignalReceivedError: A signal has come since the last wait.
        """
        if self.came(seconds):
            raise SignalReceivedError(self._signum)

    def finish(self) -> None:
        """From here on it is too late to interrupt: the signals are ignored for good.

        Raises:
            SignalReceivedError: A signal has come since the last wait.
        """
        self.pause(0)
        for signum in self._before:
            signal.signal(signum, signal.SIG_IGN)
        self._before = {}

    def came(self, seconds: float) -> bool:
        """Wait; return at once, with True, when a signal has come since the last wait."""
        if not self._came.wait(seconds):
            return False
        self._came.clear()
        return True

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        self._signum = signum
        self._came.set()
