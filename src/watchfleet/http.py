"""The one outbound HTTP helper for notifications: one POST, one total deadline, one status policy.

libcurl resolves the name once and asks us for a socket for each address that it tries; the address guard
stands there, so what was checked is what is connected to, and Host and SNI keep the name. Redirects and
proxy variables are not followed. What is posted to one receiver in quick succession shares a connection.
"""

import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pycurl

from watchfleet import __version__
from watchfleet.addresses import Guard
from watchfleet.errors import ConfigError, DeliveryError

TIMEOUT: Final = 10.0
CONNECT_TIMEOUT: Final = 5.0
RESPONSE_CAP: Final = 64 * 1024
HEADERS_CAP: Final = 100
USER_AGENT: Final = f"watchfleet/{__version__}"
IDLE_SECONDS: Final = 2
"""A connection that was unused for longer is not used again: many receivers end theirs after five."""
CONNECTION_SECONDS: Final = 60
"""How long a connection serves at most, so that a receiver that moves is followed."""
MOST_HANDLES: Final = 32
"""How many kinds of trust one thread keeps connections of."""
_INTERIM: Final = re.compile(rb"HTTP/\S+ 1\d\d")
_TRY_AGAIN: Final = {408, 425, 429}
_REASONS: Final = {
    pycurl.E_COULDNT_RESOLVE_HOST: "name_not_resolved",
    pycurl.E_COULDNT_CONNECT: "connection_failed",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_GOT_NOTHING: "no_answer",
    pycurl.E_RECV_ERROR: "no_answer",
    pycurl.E_SEND_ERROR: "connection_lost",
    pycurl.E_SEND_FAIL_REWIND: "no_answer",
    pycurl.E_PARTIAL_FILE: "no_answer",
    pycurl.E_SSL_CONNECT_ERROR: "tls_failed",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls_not_trusted",
}


@dataclass(frozen=True, slots=True)
class Response:
    """What the receiver answered.

    Attributes:
        status: The HTTP status.
        reason: The words after it.
        headers: Header fields by lower-case name; of a repeated one, the last.
        body: The body, as far as it was read.
    """

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text; bytes that are no UTF-8 are replaced."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Tls:
    """How a receiver is trusted, and trusts us.

    Attributes:
        ca_file: Authorities to trust instead of the usual ones, as PEM.
        cert_file: Our own certificate, as PEM.
        key_file: Its key.
        server_name: The name that the receiver's certificate must have, if not the address's.
        verify: Whether the certificate must be valid.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    verify: bool = True


def check_url(url: str, setting: str) -> str:
    """`url` if it can be posted to.

    Raises:
        ConfigError: It is not an http(s) address with a host; names `setting` and keeps the value, which
            may be a secret, to itself.
    """
    try:
        parts = urlsplit(url)
        written = url.isascii() and url.isprintable() and " " not in url
        usable = written and parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{setting} is not an address", mend="write it like https://host/path")
    return url


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    guard: Guard,
    timeout: float | None = None,
    tls: Tls = Tls(),
    cap: int = RESPONSE_CAP,
) -> Response:
    """POST `body` and return the receiver's answer if it is a 2xx.

    Args:
        url: An http or https address.
        body: The request's body.
        headers: Its header fields; `User-Agent` is ours.
        guard: Says which addresses may be connected to.
        timeout: Seconds for everything together, from the name's look-up to the answer's last byte; by
            default `TIMEOUT`.
        tls: How the receiver is trusted.
        cap: How many bytes of the answer's body are read; the rest is left.

    Raises:
        DeliveryError: There was no answer, or it is not a 2xx. Permanent when another try is pointless:
            a 3xx, or a 4xx other than 408, 425 and 429, or an address that the guard refuses.
    """
    line = _lines.of(guard, tls)
    try:
        response = line.perform(url, body, headers, timeout or TIMEOUT, cap)
    except pycurl.error as error:
        raise line.failure(error) from None
    if not 200 <= response.status < 300:
        raise refused(response, datetime.now(UTC))
    return response


def refused(response: Response, now: datetime) -> DeliveryError:
    """The error for an answer that is not a 2xx."""
    detail = f"{response.status} {response.reason} {response.text[:500]}".strip()
    return settled(response.status, response.headers.get("retry-after", ""), detail, now)


def settled(status: int, asked: str, detail: str, now: datetime | None = None) -> DeliveryError:
    """The error for a status that is not a 2xx.

    Args:
        status: The HTTP status.
        asked: The answer's `Retry-After`; empty if it has none.
        detail: What the receiver said.
        now: The present.
    """
    return DeliveryError(
        f"http_{status}",
        permanent=status < 500 and status not in _TRY_AGAIN,
        retry_after=retry_after(asked, now or datetime.now(UTC)),
        detail=detail,
    )


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds from now that a `Retry-After` field asks for, in either of its forms; None if in neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


class _Lines(threading.local):
    """A thread's handles of libcurl, and by them its connections: those of other trust are not shared."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, Guard, Tls], _Line] = {}

    def of(self, guard: Guard, tls: Tls) -> "_Line":
        # A forked child must not talk on its parent's connections.
        key = (os.getpid(), guard, tls)
        if key not in self._kept:
            if len(self._kept) >= MOST_HANDLES:
                self._kept.clear()
            self._kept[key] = _Line(guard, tls)
        return self._kept[key]


_lines: Final = _Lines()


class _Line:
    """A handle of libcurl, one request after the other. What never changes is told it once."""

    def __init__(self, guard: Guard, tls: Tls) -> None:
        self._guard, self._tls = guard, tls
        self._curl = pycurl.Curl()
        self._sockets: list[socket.socket] = []
        self._begin(b"", 0)
        for option, value in (*self._fixed(), *_trust(tls)):
            self._curl.setopt(option, value)

    def perform(
        self, url: str, body: bytes, headers: Mapping[str, str], timeout: float, cap: int
    ) -> Response:
        self._begin(body, cap)
        try:
            self._prepare(url, len(body), headers, timeout)
            try:
                self._curl.perform()
            except pycurl.error:
                # A body that is too long, too slow or cut off takes nothing back: the receiver has answered.
                if not self._answered:
                    raise
            return self._response(self._curl.getinfo(pycurl.RESPONSE_CODE))
        finally:
            # libcurl has worked on a duplicate of each.
            for opened in self._sockets:
                opened.close()
            self._sockets.clear()
            self._body = BytesIO()

    def failure(self, error: pycurl.error) -> DeliveryError:
        code, text = error.args
        if self._refusal:
            return DeliveryError("address_denied", permanent=True, detail=self._refusal)
        return DeliveryError(_REASONS.get(code, f"curl_{code}"), permanent=False, detail=str(text))

    def _begin(self, body: bytes, cap: int) -> None:
        self._body, self._cap = BytesIO(body), cap
        self._received, self._fields = bytearray(), list[bytes]()
        self._answered: bool = False
        self._refusal = ""

    def _fixed(self) -> Iterator[tuple[int, Any]]:
        yield pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
        yield pycurl.POST, True
        # libcurl would send a request again whose connection was lost: it cannot, as this is read once.
        yield pycurl.READFUNCTION, self._give_body
        yield pycurl.USERAGENT, USER_AGENT
        yield pycurl.FOLLOWLOCATION, False
        yield pycurl.PROXY, ""
        yield pycurl.NOSIGNAL, True
        yield pycurl.DNS_CACHE_TIMEOUT, 0
        yield pycurl.MAXAGE_CONN, IDLE_SECONDS
        yield pycurl.MAXLIFETIME_CONN, CONNECTION_SECONDS
        yield pycurl.OPENSOCKETFUNCTION, self._open_socket
        yield pycurl.HEADERFUNCTION, self._take_header
        yield pycurl.WRITEFUNCTION, self._take_body

    def _prepare(self, url: str, length: int, headers: Mapping[str, str], timeout: float) -> None:
        for option, value in (
            (pycurl.POSTFIELDSIZE, length),
            (pycurl.TIMEOUT_MS, round(timeout * 1000)),
            (pycurl.CONNECTTIMEOUT_MS, round(min(timeout, CONNECT_TIMEOUT) * 1000)),
            *_address(url, headers, self._tls.server_name),
        ):
            self._curl.setopt(option, value)

    def _open_socket(self, _purpose: int, address: tuple[int, int, int, Any]) -> Any:
        family, kind, protocol, peer = address
        host = peer[0]
        reason = self._guard.refusal(host)
        if reason:
            self._refusal = f"{host} is refused ({reason}); outgoing_allow can allow it"
            return pycurl.SOCKET_BAD
        opened = socket.socket(family, kind, protocol)
        self._sockets.append(opened)
        return opened

    def _give_body(self, size: int) -> bytes:
        return self._body.read(size)

    def _take_header(self, line: bytes) -> None:
        if line.startswith(b"HTTP/"):
            self._fields.clear()
        if not line.strip():
            self._answered = not _INTERIM.match(self._fields[0])
        elif len(self._fields) < HEADERS_CAP:
            self._fields.append(line[:2000])

    def _take_body(self, block: bytes) -> int | None:
        self._received += block[: self._cap - len(self._received)]
        return None if len(self._received) < self._cap else 0

    def _response(self, status: int) -> Response:
        texts = [line.decode("latin-1").strip() for line in self._fields]
        words = texts[0].split(" ", 2) if texts else []
        fields = (text.partition(":") for text in texts[1:] if ":" in text)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        return Response(status, words[2] if len(words) > 2 else "", headers, bytes(self._received))


def _address(
    url: str, headers: Mapping[str, str], server_name: str | None
) -> Iterator[tuple[int, str | list[str]]]:
    """The URL and the header fields; a name for TLS alone changes nothing of who is connected to."""
    parts = urlsplit(url)
    if server_name and parts.scheme == "https":
        port = parts.port or 443
        yield pycurl.CONNECT_TO, [f"::{parts.hostname}:{port}"]
        yield pycurl.URL, parts._replace(netloc=f"{server_name}:{port}").geturl()
        headers = {"Host": parts.netloc, **headers}
    else:
        yield pycurl.CONNECT_TO, []
        yield pycurl.URL, url
    yield pycurl.HTTPHEADER, _header_lines(headers)


def _header_lines(headers: Mapping[str, str]) -> list[str]:
    for name, value in headers.items():
        if not f"{name}{value}".isprintable():
            raise ValueError(f"the header field {name!r} holds control characters")
    # Without the last one libcurl would wait a second for "100 Continue" before a large body.
    return [*(f"{name}: {value}" for name, value in headers.items()), "Expect:"]


def _trust(tls: Tls) -> Iterator[tuple[int, Any]]:
    """Unless told otherwise, the certificates that Python trusts here; libcurl's wheel has its own."""
    yield pycurl.SSL_VERIFYPEER, int(tls.verify)
    yield pycurl.SSL_VERIFYHOST, 2 if tls.verify else 0
    paths = ssl.get_default_verify_paths()
    for option, path in (
        (pycurl.CAINFO, tls.ca_file or paths.cafile),
        (pycurl.CAPATH, None if tls.ca_file else paths.capath),
        (pycurl.SSLCERT, tls.cert_file),
        (pycurl.SSLKEY, tls.key_file),
    ):
        if path:
            yield option, str(path)
