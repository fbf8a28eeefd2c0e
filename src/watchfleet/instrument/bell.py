"""A wake-up call that is safe wherever the host may record: in any thread, and in a signal handler."""

from queue import Empty, SimpleQueue


class Bell:
    """Wakes one waiting thread.

    A signal handler may ring it though it interrupted its ringing: `SimpleQueue.put` is reentrant, which the
    lock of a `threading.Event` is not.
    """

    def __init__(self) -> None:
        self._rung = False
        self._rings: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        """Wake the waiting thread, or have its next wait return at once."""
        if not self._rung:
            self._rung = True
            self._rings.put(None)

    def wait(self, timeout: float | None = None) -> None:
        """Return when it was rung since the last wait, or after `timeout` seconds."""
        try:
            self._rings.get(timeout=timeout)
        except Empty:
            return
        self._rung = False
