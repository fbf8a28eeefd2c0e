"""A web server that answers well and badly, by path: what HTTP probes are tried on."""

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TLS = Path(__file__).parent / "tls"


class WebServer:
    """Serves until the block of `serving` ends.

    Attributes:
        requests: Method, path, headers and body of each request.
    """

    def __init__(self, certificate: str = "") -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.closing = threading.Event()
        handler = type("BoundHandler", (Handler,), {"web": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(TLS / certificate, TLS / "key.pem")
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return self._server.server_port

    def url(self, path: str) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serving(certificate: str = "") -> Iterator[WebServer]:
    server = WebServer(certificate)
    try:
        yield server
    finally:
        server.close()


class Handler(BaseHTTPRequestHandler):
    """Answers `/kind/argument` with the method `answer_kind`."""

    web: WebServer

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.web.requests.append((self.command, self.path, headers, body))
        kind, _, argument = self.path.strip("/").partition("/")
        getattr(self, f"answer_{kind}")(argument)

    def do_GET(self) -> None:
        self.respond()

    def do_PUT(self) -> None:
        self.respond()

    def do_HEAD(self) -> None:
        self.respond()

    def send(self, status: int, body: bytes = b"ok", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_status(self, status: str) -> None:
        self.send(int(status))

    def answer_text(self, text: str) -> None:
        self.send(200, text.encode())

    def answer_latin(self, _: str) -> None:
        self.send(200, "Grüße".encode("latin-1"), Content_Type="text/plain; charset=ISO-8859-1")

    def answer_json(self, body: str) -> None:
        self.send(200, base64.urlsafe_b64decode(body), Content_Type="application/json")

    def answer_big(self, size: str) -> None:
        self.send(200, b"x" * int(size) + b"end")

    def answer_redirects(self, left: str) -> None:
        self.send(302, Location=f"/redirects/{int(left) - 1}" if int(left) else "/status/200")

    def answer_elsewhere(self, url: str) -> None:
        self.send(302, Location=base64.urlsafe_b64decode(url).decode())

    def answer_login(self, _: str) -> None:
        wanted = "Basic " + base64.b64encode("me:sesame-öffne".encode()).decode()
        self.send(200 if self.headers.get("Authorization") == wanted else 401)

    def answer_hang(self, _: str) -> None:
        self.web.closing.wait()
        self.close_connection = True

    def answer_drip(self, _: str) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.web.closing.wait(0.05):
            self.wfile.write(b".")

    def answer_drop(self, _: str) -> None:
        self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        """Keep the tests' output clean."""

    def handle(self) -> None:
        with suppress(OSError):  # a client that does not trust us, or that has seen enough
            super().handle()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True
