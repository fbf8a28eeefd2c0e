"""Many libcurl transfers at once on one thread, driven by the readiness of their sockets.

`CurlMulti.perform` with `select` looks at every transfer each time and cannot see file descriptors above
1023; libcurl's `socket_action` interface has neither limit. Loops are kept: closing one waits for every name
look-up that still hangs, and a new one reads the certificate authorities anew.
"""

import selectors
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Semaphore
from typing import Final

import pycurl

from watchfleet.probes.probe import Deadline

_LONGEST_WAIT: Final = 1.0
_EVENTS: Final = {
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}


class Loop:
    """Runs transfers until each has ended, or the deadline has come."""

    def __init__(self) -> None:
        self._multi = pycurl.CurlMulti()
        self._selector = selectors.DefaultSelector()
        self._watched: set[int] = set()  # asking the selector would make an object each time
        self._wake_at: float | None = None
        self._errors: dict[pycurl.Curl, tuple[int, str]] = {}
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)

    def run(self, handles: list[pycurl.Curl], deadline: Deadline) -> Mapping[pycurl.Curl, tuple[int, str]]:
        """Run the transfers; return how each ended that did: libcurl's error code, 0 for none, and its words.

        What has not ended by the deadline is missing.
        """
        self._errors = {}
        for handle in handles:
            self._multi.add_handle(handle)
        try:
            while len(self._errors) < len(handles) and time.monotonic() < deadline.at:
                self._step(deadline)
        finally:
            for handle in handles:
                self._multi.remove_handle(handle)
        return self._errors

    def _step(self, deadline: Deadline) -> None:
        ready = self._selector.select(self._wait(deadline))
        with _turn:
            self._act(ready)

    def _act(self, ready: Iterable[tuple[selectors.SelectorKey, int]]) -> None:
        if self._wake_at is not None and time.monotonic() >= self._wake_at:
            self._wake_at = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        for key, events in ready:
            mask = pycurl.CSELECT_IN if events & selectors.EVENT_READ else 0
            mask |= pycurl.CSELECT_OUT if events & selectors.EVENT_WRITE else 0
            self._multi.socket_action(key.fd, mask)
        self._collect()

    def _wait(self, deadline: Deadline) -> float:
        until = _LONGEST_WAIT if self._wake_at is None else self._wake_at - time.monotonic()
        return max(0.0, min(until, _LONGEST_WAIT, deadline.remaining()))

    def _collect(self) -> None:
        waiting = 1
        while waiting:
            waiting, done, failed = self._multi.info_read()
            self._errors.update((handle, (0, "")) for handle in done)
            self._errors.update((handle, (code, words)) for handle, code, words in failed)

    def _watch(self, event: int, fd: int, _multi: pycurl.CurlMulti, _data: object) -> None:
        known = fd in self._watched
        if event == pycurl.POLL_REMOVE:
            if known:
                self._watched.remove(fd)
                self._selector.unregister(fd)
        elif known:
            self._selector.modify(fd, _EVENTS[event])
        else:
            self._watched.add(fd)
            self._selector.register(fd, _EVENTS[event])

    def _set_timer(self, milliseconds: int) -> None:
        self._wake_at = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


_idle: list[Loop] = []
_turn: Final = Semaphore(2)
"""Held while a loop acts. Each of libcurl's calls lets the interpreter go: among many loops that act at once
it is handed to and fro at every one, which costs more than the transfers. Two keep two processors busy."""


@contextmanager
def borrowed() -> Iterator[Loop]:
    """A loop that nobody else uses meanwhile; one that an exception came through is not used again."""
    try:
        loop = _idle.pop()
    except IndexError:
        loop = Loop()
    yield loop
    _idle.append(loop)
