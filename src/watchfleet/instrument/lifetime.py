"""One client a process: afresh in a forked child, and with a last word before the process ends."""

import atexit
import os
import threading
from collections.abc import Callable
from typing import Any, Final

from watchfleet.instrument.client import Client
from watchfleet.instrument.faults import faults, guarded
from watchfleet.instrument.shipping import Broker

LAST_WAIT: Final = 2.0
"""Seconds that the end of a process waits for the broker."""
LONGEST_HOLD: Final = 0.5
"""Seconds that a fork waits for the first publish, if it is under way just then."""


class Lifetime:
    """Holds this process's client, once there is one."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self._forking = threading.Lock()
        self._held: Client | None = None
        self._held_first = False
        self._signals: list[Any] = []
        # A parent's connection must not even be collected in its child: that could shut the shared socket.
        self._inherited: list[Any] = []

    def start(self, service: str, find_broker: Callable[[], Broker], **options: Any) -> Client:
        """The client, made by the first call."""
        if self.client is None:
            self.client = Client(service, find_broker, **options)
        return self.client

    def connect(self, signal: Any, receiver: Callable[..., None]) -> None:
        """Connect a receiver to a Celery signal; once, however often it is called.

        Celery guards the receivers of a signal by a plain lock, which it takes as soon as there is one. With
        that lock a signal handler that sends what it interrupted the sending of would wait for itself, and a
        child forked while another thread sends would wait for ever. So it gets one without either fault.
        """
        if signal not in self._signals:
            signal.lock = threading.RLock()
            self._signals.append(signal)
        signal.connect(receiver, weak=False, dispatch_uid=f"watchfleet.{receiver.__name__}")

    def before_fork(self) -> None:
        """Hold the client still, so that no child inherits a lock or an import that nobody will finish."""
        self._forking.acquire()
        client = self._held = self.client
        if client is not None:
            self._held_first = client.shipper.first.acquire(timeout=LONGEST_HOLD)
            client.buffer.lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        client = self._held
        if client is not None:
            client.buffer.lock.release()
            if self._held_first:
                client.shipper.first.release()
        self._forking.release()

    def after_fork_in_child(self) -> None:
        """Leave to the parent what is the parent's: its rows, its thread, its connection."""
        self._forking = threading.Lock()
        faults.take()
        for signal in self._signals:
            signal.lock = threading.RLock()
        if self.client is not None:
            self._inherited.append(self.client.shipper)
            self.client.buffer.leave()
            self.client.begin()

    @guarded("end")
    def end(self) -> None:
        """Ship what is left, waiting `LAST_WAIT` at most."""
        if self.client is not None:
            self.client.close(LAST_WAIT)


lifetime = Lifetime()

os.register_at_fork(
    before=lifetime.before_fork,
    after_in_parent=lifetime.after_fork_in_parent,
    after_in_child=lifetime.after_fork_in_child,
)
atexit.register(lifetime.end)
