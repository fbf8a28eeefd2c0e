"""Fetch the pages of many targets at once, in one libcurl loop."""

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pycurl

from watchfleet import __version__
from watchfleet.addresses import Guard, operator_guard
from watchfleet.errors import WatchfleetError
from watchfleet.probes import reasons
from watchfleet.probes.multi import borrowed
from watchfleet.probes.probe import Deadline
from watchfleet.probes.reasons import Reason
from watchfleet.probes.scrape.config import Job
from watchfleet.probes.scrape.discovery import Target
from watchfleet.redact import redact
from watchfleet.settings import get_settings

LARGEST_BATCH: Final = 128 << 20
"""Bytes of all pages of a batch together."""
GRACE: Final = 0.5
ACCEPT: Final = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
_LONGEST_SECRET: Final = 64 * 1024
_ERRORS: Final = {
    pycurl.E_COULDNT_RESOLVE_HOST: Reason.DNS_FAILURE,
    pycurl.E_OPERATION_TIMEDOUT: Reason.TIMEOUT,
    pycurl.E_SSL_CONNECT_ERROR: Reason.TLS_HANDSHAKE_FAILED,
    pycurl.E_PEER_FAILED_VERIFICATION: Reason.TLS_UNTRUSTED,
    pycurl.E_TOO_MANY_REDIRECTS: Reason.TOO_MANY_REDIRECTS,
    pycurl.E_UNSUPPORTED_PROTOCOL: Reason.FORBIDDEN_REDIRECT,
    pycurl.E_GOT_NOTHING: Reason.EMPTY_RESPONSE,
    pycurl.E_RECV_ERROR: Reason.CONNECTION_RESET,
    pycurl.E_SEND_ERROR: Reason.CONNECTION_RESET,
    pycurl.E_PARTIAL_FILE: Reason.CONNECTION_RESET,
}


class ScrapeError(WatchfleetError):
    """A target could not be scraped.

    Args:
        reason: A snake_case name such as `connection_refused`.
        detail: One line for people; holds no secret.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = str(reason), redact(" ".join(detail.split()))[:300]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a target answered.

    Attributes:
        target: Whose page it is.
        job: Its job.
        at: When it was asked, in Unix seconds, to the millisecond.
        seconds: How long it took.
        body: The page; empty if there is none.
        content_type: Its media type.
        error: Why there is none.
    """

    target: Target
    job: Job
    at: float
    seconds: float
    body: bytes = b""
    content_type: str = ""
    error: ScrapeError | None = None


def fetch(targets: Sequence[tuple[Target, Job]]) -> list[Fetched]:
    """Ask every target for its page, each by its own timeout, in their order."""
    guard = operator_guard(get_settings().outgoing_allow)
    budget = _Budget(LARGEST_BATCH)
    at = time.time_ns() // 1_000_000 / 1000
    requests = [_Request(target, job, at, guard, budget) for target, job in targets]
    try:
        _run([request for request in requests if request.error is None])
        return [request.result() for request in requests]
    finally:
        for request in requests:
            request.curl.close()


def _run(requests: "Sequence[_Request]") -> None:
    longest = max((request.target.timeout.total_seconds() for request in requests), default=0.0)
    with borrowed() as loop:
        ended = loop.run([request.curl for request in requests], Deadline.after(longest + GRACE))
    for request in requests:
        request.ended = ended.get(request.curl)


@dataclass(slots=True)
class _Budget:
    """How many bytes a batch may still receive."""

    left: int


class _Request:
    """One request and its answer."""

    def __init__(self, target: Target, job: Job, at: float, guard: Guard, budget: _Budget) -> None:
        self.target, self._job, self._at, self._guard, self._budget = target, job, at, guard, budget
        self._chunks: list[bytes] = []
        self._received = 0
        self._refused = ""
        self._is_cut = False
        self.ended: tuple[int, str] | None = None
        self.error: ScrapeError | None = None
        self.curl = pycurl.Curl()
        try:
            for option, value in self._options():
                self.curl.setopt(option, value)
        except (OSError, ValueError, pycurl.error) as error:
            self.error = ScrapeError("bad_configuration", f"{type(error).__name__}: {error}")

    def _options(self) -> Iterator[tuple[int, Any]]:
        job = self._job
        timeout = self.target.timeout.total_seconds()
        headers = [f"Accept: {ACCEPT}", f"X-Prometheus-Scrape-Timeout-Seconds: {timeout:g}"]
        yield from (
            (pycurl.NOSIGNAL, 1),
            (pycurl.TIMEOUT_MS, round(timeout * 1000)),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.FOLLOWLOCATION, int(job.follow_redirects)),
            (pycurl.MAXREDIRS, 10),
            (pycurl.PROXY, ""),
            (pycurl.USERAGENT, f"watchfleet/{__version__}"),
            (pycurl.WRITEFUNCTION, self._receive),
            (pycurl.OPENSOCKETFUNCTION, self._open),
        )
        if job.enable_compression:
            yield pycurl.ACCEPT_ENCODING, "gzip"
        yield from self._tls(headers)
        yield from self._credentials(headers)
        yield pycurl.HTTPHEADER, headers

    def _tls(self, headers: list[str]) -> Iterator[tuple[int, Any]]:
        tls, parts = self._job.tls_config, urlsplit(self.target.url)
        if tls.server_name and parts.scheme == "https":
            port = parts.port or 443
            yield pycurl.CONNECT_TO, [f"::{parts.hostname}:{port}"]
            yield pycurl.URL, parts._replace(netloc=f"{tls.server_name}:{port}").geturl()
            headers.append(f"Host: {parts.netloc}")
        else:
            yield pycurl.URL, self.target.url
        yield pycurl.SSL_VERIFYPEER, int(not tls.insecure_skip_verify)
        yield pycurl.SSL_VERIFYHOST, 0 if tls.insecure_skip_verify else 2
        trusted = ssl.get_default_verify_paths()
        for option, path in (
            (pycurl.CAINFO, tls.ca_file or trusted.cafile),
            (pycurl.CAPATH, None if tls.ca_file or trusted.cafile else trusted.capath),
            (pycurl.SSLCERT, tls.cert_file),
            (pycurl.SSLKEY, tls.key_file),
        ):
            if path is not None:
                yield option, str(path)

    def _credentials(self, headers: list[str]) -> Iterator[tuple[int, Any]]:
        job = self._job
        if job.basic_auth is not None:
            password = _secret(job.basic_auth.password, job.basic_auth.password_file)
            yield pycurl.HTTPAUTH, pycurl.HTTPAUTH_BASIC
            yield pycurl.USERNAME, job.basic_auth.username.encode()
            yield pycurl.PASSWORD, password.encode()
        if job.authorization is not None:
            token = _secret(job.authorization.credentials, job.authorization.credentials_file)
            headers.append(_authorization(job.authorization.type, token))
        if job.bearer_token is not None or job.bearer_token_file is not None:
            headers.append(_authorization("Bearer", _secret(job.bearer_token, job.bearer_token_file)))

    def _open(self, _purpose: int, address: Any) -> Any:
        family, kind, protocol, where = address
        self._refused = _refusal(self._guard, where[0])
        return pycurl.SOCKET_BAD if self._refused else _Lent(family, kind, protocol)

    def _receive(self, chunk: bytes) -> int | None:
        self._received += len(chunk)
        self._budget.left -= len(chunk)
        if self._received > self._job.most_bytes or self._budget.left < 0:
            self._is_cut = True
            return 0  # libcurl ends the transfer
        self._chunks.append(chunk)
        return None

    def result(self) -> Fetched:
        error = self.error or self._failure()
        taken = float(self.curl.getinfo(pycurl.TOTAL_TIME))
        if error is not None:
            return Fetched(self.target, self._job, self._at, taken, error=error)
        kind = self.curl.getinfo(pycurl.CONTENT_TYPE) or ""
        return Fetched(self.target, self._job, self._at, taken, b"".join(self._chunks), kind)

    def _failure(self) -> ScrapeError | None:
        if self.ended is None:
            return ScrapeError(Reason.TIMEOUT, "no answer in time")
        code, words = self.ended
        if self._is_cut:
            return ScrapeError("body_size_limit", f"the page has more than {self._job.most_bytes} bytes")
        if self._refused:
            return ScrapeError(Reason.FORBIDDEN_ADDRESS, f"the address may not be reached: {self._refused}")
        if code == pycurl.E_COULDNT_CONNECT:
            return ScrapeError(reasons.of_errno(int(self.curl.getinfo(pycurl.OS_ERRNO))), words)
        if code:
            return ScrapeError(_ERRORS.get(code, Reason.PROTOCOL_ERROR), words)
        status = int(self.curl.getinfo(pycurl.RESPONSE_CODE))
        return None if status == 200 else ScrapeError(Reason.UNEXPECTED_STATUS, f"status {status}")


class _Lent(socket.socket):
    """Of what it is given, pycurl keeps a duplicate and forgets the original, which is not a leak."""

    def __del__(self) -> None:
        self.close()


@lru_cache(maxsize=4096)
def _refusal(guard: Guard, address: str) -> str:
    return guard.refusal(address)


def _secret(value: Any, path: Path | None) -> str:
    if path is None:
        return value.get_secret_value() if value is not None else ""
    with path.open(encoding="utf-8") as file:
        return file.read(_LONGEST_SECRET).strip()


def _authorization(scheme: str, token: str) -> str:
    line = f"Authorization: {scheme} {token}"
    if not line.isprintable():
        raise ValueError("the credentials hold control characters")
    return line
