"""A server that speaks line by line, as a mail server does: what probes of TCP and TLS are tried on."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from support.web_server import TLS

HANG = "<hang>"
START_TLS = "<tls>"


class LineServer:
    """Says its lines to whoever connects, and waits for a line before each that begins with `? `.

    Args:
        script: What it says. `HANG` waits for the end, `START_TLS` speaks TLS from then on.
        certificate: Of TLS.
    """

    def __init__(self, script: Sequence[str], certificate: str = "cert.pem") -> None:
        self.script, self.heard = script, list[str]()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(TLS / certificate, TLS / "key.pem")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                opened, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(opened,), daemon=True).start()

    def _serve(self, opened: socket.socket) -> None:
        with suppress(OSError):
            for line in self.script:
                if line == HANG:
                    self._over.wait(20)
                elif line == START_TLS:
                    opened = self._context.wrap_socket(opened, server_side=True)
                else:
                    if line.startswith("? "):
                        self.heard.append(opened.recv(4096).decode())
                    opened.sendall(line.removeprefix("? ").encode())
        opened.close()


@contextmanager
def line_server(*script: str, certificate: str = "cert.pem") -> Iterator[LineServer]:
    server = LineServer(script, certificate)
    try:
        yield server
    finally:
        server.close()
