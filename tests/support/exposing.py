"""A target whose page is what a test says."""

import gzip
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TLS = Path(__file__).parent / "tls"
TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Exposing:
    """Serves until the block of `exposing` ends.

    Attributes:
        page: The body of `/metrics`.
        content_type: Its media type.
        status: Its status.
        requests: Path and headers of each request.
    """

    def __init__(self, page: str | bytes, certificate: str = "") -> None:
        self.page, self.content_type, self.status = page, TEXT, 200
        self.requests: list[tuple[str, dict[str, str]]] = []
        handler = type("BoundHandler", (_Handler,), {"exposing": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(TLS / certificate, TLS / "key.pem")
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    exposing: Exposing

    def do_GET(self) -> None:
        one = self.exposing
        one.requests.append((self.path, dict(self.headers.items())))
        body = one.page if isinstance(one.page, bytes) else one.page.encode()
        self.send_response(one.status)
        self.send_header("Content-Type", one.content_type)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def exposing(page: str | bytes = "", certificate: str = "") -> Iterator[Exposing]:
    one = Exposing(page, certificate)
    try:
        yield one
    finally:
        one.server.shutdown()
        one.server.server_close()
