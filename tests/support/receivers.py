"""Real receivers of notifications on free ports of this machine, with answers that a test chooses.

The certificate in `tls/` is for these receivers alone; its key is public.
"""

import asyncio
import json
import socket
import ssl
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from sentry_sdk.envelope import Envelope as SentryEnvelope
from support.servers import free_port

CERTIFICATE = Path(__file__).parent / "tls" / "cert.pem"


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_name("key.pem"))
    return context


@dataclass
class Answer:
    """What a receiver does with one request.

    `hang` answers nothing until the test ends, `drop` closes the connection after the request was read.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    hang: bool = False
    drop: bool = False


@dataclass
class Request:
    """What came; `port` is the sender's, which tells its connections apart."""

    path: str
    headers: dict[str, str]
    body: bytes
    port: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed amid its request is no error of the receiver's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class HttpReceiver:
    """Keeps every request; answers as `answers` say, one each, and then as `otherwise` says."""

    def __init__(self, *, tls: bool = False) -> None:
        self.requests: list[Request] = []
        self.answers: deque[Answer] = deque()
        self.otherwise = Answer()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = server_context().wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}/hook"

    def answer(self, request: Request) -> Answer:
        return self.answers.popleft() if self.answers else self.otherwise

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.path, headers, body, self.client_address[1])
                answer = receiver.answer(request)
                receiver.requests.append(request)
                if answer.hang:
                    receiver._closing.wait()
                if answer.hang or answer.drop:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *arguments: Any) -> None:
                """Keep the tests' output clean."""

        return Handler


class SlackReceiver(HttpReceiver):
    """Refuses what Slack refuses: anything but JSON with a text or attachments of at most 50 blocks."""

    def answer(self, request: Request) -> Answer:
        if self.answers:
            return self.answers.popleft()
        try:
            payload = json.loads(request.body)
            blocks = [block for part in payload["attachments"] for block in part["blocks"]]
            good = bool(payload["text"]) and 0 < len(blocks) <= 50 and all(map(_slack_takes, blocks))
        except (ValueError, KeyError, TypeError):
            good = False
        return Answer() if good else Answer(400, body=b"invalid_payload")


def _slack_takes(block: dict[str, Any]) -> bool:
    text, fields = block.get("text"), block.get("fields", [])
    if block["type"] == "actions":
        return all(each["type"] == "button" and each["url"].startswith("http") for each in block["elements"])
    if block["type"] == "context":
        return 0 < len(block["elements"]) <= 10
    if block["type"] == "image":
        return block["image_url"].startswith("http") and 0 < len(block["alt_text"]) <= 2000
    if block["type"] != "section" or not (text or fields) or len(fields) > 10:
        return False
    long = text is not None and not 1 <= len(text["text"]) <= 3000
    return not long and all(1 <= len(each["text"]) <= 2000 for each in fields)


class SlackApi(HttpReceiver):
    """A Slack with one channel, in which a bot posts, updates and reads."""

    CHANNEL = "C024BE91L"
    TOKEN = "xoxb-of-the-test"

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return super().url.replace("/hook", "/api/")

    def methods(self) -> list[str]:
        return [request.path.rpartition("/")[2] for request in self.requests]

    def answer(self, request: Request) -> Answer:
        if self.answers:
            scripted = self.answers.popleft()
            if scripted.drop:
                self._act(request)  # it is taken, and the answer is lost
            return scripted
        if request.headers.get("authorization") != f"Bearer {self.TOKEN}":
            return Answer(body=b'{"ok": false, "error": "invalid_auth"}')
        return Answer(body=json.dumps(self._act(request)).encode())

    def _act(self, request: Request) -> dict[str, Any]:
        method, asked = request.path.rpartition("/")[2], request.json
        if method == "conversations.list":
            return {"ok": True, "channels": [{"id": self.CHANNEL, "name": "alerts"}]}
        if asked["channel"] not in {self.CHANNEL, "#alerts"}:
            return {"ok": False, "error": "channel_not_found"}
        if method == "chat.postMessage":
            ts = f"1700000000.{len(self.messages):06}"
            self.messages.append({**asked, "ts": ts})
            return {"ok": True, "channel": self.CHANNEL, "ts": ts}
        if method == "chat.update":
            found = [message for message in self.messages if message["ts"] == asked["ts"]]
            for message in found:
                message.update(asked)
            return {"ok": True, "ts": asked["ts"]} if found else {"ok": False, "error": "message_not_found"}
        thread = asked.get("ts")
        return {"ok": True, "messages": [each for each in self.messages if each.get("thread_ts") == thread]}


class SentryReceiver(HttpReceiver):
    """Reads envelopes and keeps the first event of each id, as Sentry does."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[str, dict[str, Any]] = {}

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self._server.server_port}/42"

    def answer(self, request: Request) -> Answer:
        if self.answers:
            return self.answers.popleft()
        event: Any = SentryEnvelope.deserialize(request.body).get_event()
        if request.path != "/api/42/envelope/" or "sentry_key=public" not in request.headers["x-sentry-auth"]:
            return Answer(403)
        self.events.setdefault(event["event_id"], event)
        return Answer(body=json.dumps({"id": event["event_id"]}).encode())


class Mailbox:
    """An SMTP handler that keeps mails; `data`, `recipients` script the answers, `hang` answers nothing."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.data: deque[str] = deque()
        self.recipients: dict[str, str] = {}
        self.hang = False

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.recipients.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 - likewise
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.envelopes.append(envelope)
        if self.hang:
            await asyncio.Event().wait()
        answer = self.data.popleft() if self.data else "250 2.0.0 queued as 42"
        if answer == "drop":
            transport: Any = server.transport
            transport.abort()
        if answer.startswith("250") or answer == "drop":
            mail: Any = BytesParser(policy=default).parsebytes(content)
            self.mails.append(mail)
        return answer


@contextmanager
def http_receiver(*, tls: bool = False) -> Iterator[HttpReceiver]:
    yield from _closing(HttpReceiver(tls=tls))


@contextmanager
def slack_receiver() -> Iterator[SlackReceiver]:
    yield from _closing(SlackReceiver())


@contextmanager
def slack_api() -> Iterator[SlackApi]:
    yield from _closing(SlackApi())


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port on which connections are neither accepted nor refused: its queue is full."""
    with socket.socket() as listener, ExitStack() as queue:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield int(listener.getsockname()[1])


@contextmanager
def sentry_receiver() -> Iterator[SentryReceiver]:
    yield from _closing(SentryReceiver())


@contextmanager
def smtp_receiver(
    *, security: str = "none", password: str = "", mailbox: Mailbox | None = None
) -> Iterator[tuple[Mailbox, int]]:
    """A mail server; its mailbox and its port."""
    mailbox, port = mailbox or Mailbox(), free_port()
    options: dict[str, Any] = {}
    if security == "starttls":
        options |= {"tls_context": server_context(), "require_starttls": True}
    if security == "tls":
        options |= {"ssl_context": server_context()}
    if password:
        options |= {"authenticator": _authenticator(password), "auth_required": True}
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield mailbox, port
    finally:
        controller.stop(no_assert=True)


def _authenticator(password: str) -> Any:
    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == password.encode(), handled=False)

    return check


def _closing(receiver: Any) -> Iterator[Any]:
    try:
        yield receiver
    finally:
        receiver.close()
