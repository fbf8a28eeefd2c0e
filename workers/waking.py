"""Wakes channels from the web process, in a thread: no request waits for a broker."""

from collections.abc import Sequence
from threading import Condition, Thread

from tasks.alerts import wake
from watchfleet import correlation


class Waker:
    """Passes on which channels are to be woken; those of one name that wait are one, under the first's id.

    What it cannot pass on, the sweeper finds in the outbox.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, str | None] = {}
        self._changed = Condition()
        Thread(target=self._run, name="waker", daemon=True).start()

    def wake(self, channels: Sequence[str]) -> None:
        """Have these channels send what is due; returns at once."""
        if channels:
            with self._changed:
                known = correlation.current()
                self._waiting = {**dict.fromkeys(channels, known), **self._waiting}
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                channels, self._waiting = self._waiting, {}
            for known in dict.fromkeys(channels.values()):
                with correlation.bound(known):
                    wake(sorted(name for name, asked in channels.items() if asked == known))
