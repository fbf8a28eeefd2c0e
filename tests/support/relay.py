"""A TCP relay that can be frozen, like a network that swallows packets, and cut, like a server that died."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.servers import free_port


class Relay:
    """Passes bytes between its own port and another on loopback."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.mend()

    def freeze(self) -> None:
        """Keep every connection, and let nothing through."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self._sockets.append(listener)
        while self._sockets:
            with suppress(OSError):
                self._sockets[-1].shutdown(socket.SHUT_RDWR)
            self._sockets.pop().close()

    def mend(self) -> None:
        """Accept connections again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.cut()
        relay.thaw()
