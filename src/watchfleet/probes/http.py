"""`http`: does a web server answer a request as it should? Every target of a batch in one libcurl loop."""

import socket
import ssl
import time
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, Final

import pycurl

from watchfleet import __version__
from watchfleet.addresses import Guard, operator_guard
from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes import http_answer, reasons
from watchfleet.probes.fields import EXPIRY
from watchfleet.probes.http_answer import Answer
from watchfleet.probes.http_options import HttpOptions
from watchfleet.probes.multi import borrowed
from watchfleet.probes.probe import READ_ANSWER, Attempt, Deadline, Target
from watchfleet.probes.reasons import Reason
from watchfleet.settings import get_settings

USER_AGENT: Final = f"watchfleet/{__version__}"
CURVES: Final = "X25519:P-256:P-384:P-521"
"""What is offered for the key exchange. OpenSSL's own offer begins with a post-quantum key, which costs a
sixth of the handshake and protects nothing here."""
_TLS_VERDICTS: Final = {  # OpenSSL's X509_V_*
    0: Reason.TLS_WRONG_HOST,  # libcurl compares the names itself: OpenSSL has no complaint,
    1: Reason.TLS_WRONG_HOST,  # or was not asked yet
    9: Reason.TLS_NOT_YET_VALID,
    10: Reason.TLS_EXPIRED,
    62: Reason.TLS_WRONG_HOST,
}
_MOMENTS: Final = (
    pycurl.NAMELOOKUP_TIME,
    pycurl.CONNECT_TIME,
    pycurl.APPCONNECT_TIME,
    pycurl.PRETRANSFER_TIME,
    pycurl.STARTTRANSFER_TIME,
    pycurl.TOTAL_TIME,
)
_PHASES: Final = tuple({"phase": name} for name in ("resolve", "connect", "tls", "processing", "transfer"))
HEADERS_CAP: Final = 200
AGAIN_MS: Final = 2_000
"""The longest second look at a certificate that is not valid, in milliseconds."""
_ASKED_VERSIONS: Final = {
    "any": pycurl.CURL_HTTP_VERSION_NONE,
    "1.0": pycurl.CURL_HTTP_VERSION_1_0,
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2_0,
}
_VERSIONS: Final = {
    pycurl.CURL_HTTP_VERSION_1_0: "1.0",
    pycurl.CURL_HTTP_VERSION_1_1: "1.1",
    pycurl.CURL_HTTP_VERSION_2_0: "2",
}
_CURL_ERRORS: Final = {
    pycurl.E_COULDNT_RESOLVE_HOST: Reason.DNS_FAILURE,
    pycurl.E_OPERATION_TIMEDOUT: Reason.TIMEOUT,
    pycurl.E_SSL_CONNECT_ERROR: Reason.TLS_HANDSHAKE_FAILED,
    pycurl.E_TOO_MANY_REDIRECTS: Reason.TOO_MANY_REDIRECTS,
    pycurl.E_UNSUPPORTED_PROTOCOL: Reason.FORBIDDEN_REDIRECT,
    pycurl.E_GOT_NOTHING: Reason.EMPTY_RESPONSE,
    pycurl.E_RECV_ERROR: Reason.CONNECTION_RESET,
    pycurl.E_SEND_ERROR: Reason.CONNECTION_RESET,
    pycurl.E_PARTIAL_FILE: Reason.CONNECTION_RESET,
}


def probe(target: Target, options: HttpOptions, deadline: Deadline) -> ProbeResult:  # noqa: ARG001 - the target carries them
    """Ask one server."""
    return probe_many([target], deadline)[0]


def probe_many(targets: Sequence[Target], deadline: Deadline) -> list[ProbeResult]:
    """Ask many servers at once, each on a connection of its own.

    Every transfer ends by its target's timeout, and all of them by the deadline.
    """
    guard = operator_guard(get_settings().outgoing_allow)
    exchanges = [_Exchange(target, guard) for target in targets]
    try:
        with borrowed() as loop:
            ended = loop.run([exchange.curl for exchange in exchanges], deadline)
            for exchange in exchanges:
                exchange.ended = ended.get(exchange.curl)
            untrusted = [exchange.look_again() for exchange in exchanges if exchange.is_untrusted]
            if untrusted:
                loop.run(untrusted, deadline)
        return [exchange.result() for exchange in exchanges]
    finally:
        for exchange in exchanges:
            exchange.close()


class _Exchange:
    """One request and its answer.

    Attributes:
        curl: The transfer.
        ended: How it ended: libcurl's error code, 0 for none, and its words; None if it did not in time.
    """

    def __init__(self, target: Target, guard: Guard) -> None:
        options = target.options
        if not isinstance(options, HttpOptions):
            raise TypeError(f"{target.name} is no target of kind http")
        self._options, self._guard = options, guard
        self._attempt = Attempt(target)
        self._body = bytearray()
        self._headers: list[tuple[str, str]] = []
        self._seen = 0
        self._refused = ""
        self._cut = False
        self.curl = pycurl.Curl()
        self.ended: tuple[int, str] | None = None
        self._again: pycurl.Curl | None = None
        self._prepare(round(target.timeout.total_seconds() * 1000))

    def _prepare(self, timeout: int) -> None:
        # To look a method of libcurl's up costs more than most calls.
        setopt, options = self.curl.setopt, self._options
        for option, value in (
            (pycurl.URL, options.url),
            (pycurl.NOSIGNAL, 1),
            (pycurl.TIMEOUT_MS, timeout),
            (pycurl.FRESH_CONNECT, 1),
            (pycurl.FORBID_REUSE, 1),
            (pycurl.DNS_CACHE_TIMEOUT, 0),  # each check looks the name up, and makes a whole handshake
            (pycurl.SSL_SESSIONID_CACHE, 0),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.FOLLOWLOCATION, int(options.max_redirects > 0)),
            (pycurl.MAXREDIRS, options.max_redirects),
            (pycurl.PROXY, ""),  # what is probed is the server, not the way that a proxy variable points
            (pycurl.USERAGENT, USER_AGENT),
            (pycurl.SSL_VERIFYPEER, int(options.verify_tls)),
            (pycurl.SSL_VERIFYHOST, 2 if options.verify_tls else 0),
            (pycurl.WRITEFUNCTION, self._receive),
            (pycurl.HTTP_VERSION, _ASKED_VERSIONS[options.http_version]),
            (pycurl.OPENSOCKETFUNCTION, self._open),
        ):
            setopt(option, value)
        if options.expected_headers:
            setopt(pycurl.HEADERFUNCTION, self._take_header)
        if options.is_https:
            setopt(pycurl.OPT_CERTINFO, 1)
            if "OpenSSL/3" in pycurl.version:
                setopt(pycurl.SSL_EC_CURVES, CURVES)
        for option, path in _authorities(options):
            setopt(option, path)
        self._prepare_request()

    def _prepare_request(self) -> None:
        curl, options = self.curl, self._options
        if options.method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
        elif options.body is not None:
            curl.setopt(pycurl.COPYPOSTFIELDS, options.body.encode())
            curl.setopt(pycurl.CUSTOMREQUEST, options.method)
        elif options.method != "GET":
            curl.setopt(pycurl.CUSTOMREQUEST, options.method)
        if options.headers:
            lines = [f"{name}: {value.get_secret_value()}" for name, value in options.headers.items()]
            curl.setopt(pycurl.HTTPHEADER, [line.encode() for line in lines])
        if options.username is not None:
            password = options.password.get_secret_value() if options.password else ""
            curl.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_BASIC)
            curl.setopt(pycurl.USERNAME, options.username.encode())
            curl.setopt(pycurl.PASSWORD, password.encode())

    @property
    def is_untrusted(self) -> bool:
        """Whether the server's certificate is not valid."""
        return self.ended is not None and self.ended[0] == pycurl.E_PEER_FAILED_VERIFICATION

    def look_again(self) -> pycurl.Curl:
        """A handshake that trusts anyone and sends nothing: only for when the certificate expires."""
        self._again = curl = pycurl.Curl()
        for option, value in (
            (pycurl.URL, self.curl.getinfo(pycurl.EFFECTIVE_URL)),
            (pycurl.CONNECT_ONLY, 1),
            (pycurl.NOSIGNAL, 1),
            (pycurl.TIMEOUT_MS, AGAIN_MS),
            (pycurl.PROXY, ""),
            (pycurl.SSL_VERIFYPEER, 0),
            (pycurl.SSL_VERIFYHOST, 0),
            (pycurl.OPT_CERTINFO, 1),
            (pycurl.OPENSOCKETFUNCTION, self._open),
        ):
            curl.setopt(option, value)
        return curl

    def close(self) -> None:
        """Give back what libcurl holds."""
        self.curl.close()
        if self._again is not None:
            self._again.close()

    def _open(self, _purpose: int, address: Any) -> Any:
        """A socket for an address that libcurl is about to connect to, if it may be."""
        family, kind, protocol, where = address
        self._refused = _refusal(self._guard, where[0])
        return pycurl.SOCKET_BAD if self._refused else _Lent(family, kind, protocol)

    def _take_header(self, line: bytes) -> None:
        """A line of the answer's head; after a redirect, that of the next begins anew."""
        if line.startswith(b"HTTP/"):
            self._headers.clear()
        elif len(self._headers) < HEADERS_CAP:
            name, _, value = line.decode("latin-1").partition(":")
            self._headers.append((name.strip().lower(), value.strip()))

    def _receive(self, chunk: bytes) -> int | None:
        self._seen += len(chunk)
        kept = self._options.max_body_bytes if self._options.reads_body else READ_ANSWER
        self._body += chunk[: max(0, kept - len(self._body))]
        if self._seen <= self._options.max_body_bytes:
            return None
        self._cut = True
        return 0  # libcurl ends the transfer

    def result(self) -> ProbeResult:
        """The verdict."""
        taken = float(self.curl.getinfo(pycurl.TOTAL_TIME))
        if self.ended is None:
            return self._attempt.down(Reason.TIMEOUT, "no answer in time")
        code, words = self.ended
        expiry = _earliest_expiry(self._again or self.curl) if self._options.is_https else None
        values = [*self._phases(), *([Measurement(EXPIRY, expiry)] if expiry is not None else [])]
        if code and not (code == pycurl.E_WRITE_ERROR and self._cut):
            return self._attempt.down(*self._failure(code, words), values, duration=taken)
        status = int(self.curl.getinfo(pycurl.RESPONSE_CODE))
        values.insert(0, Measurement("probe_http_status_code", float(status)))
        fault = http_answer.fault(self._options, self._answer(status))
        if fault:
            return self._attempt.down(*fault, values, duration=taken, answer=bytes(self._body))
        limit = self._options.degraded_before_expiry
        if limit is not None and expiry is not None and expiry - time.time() < limit.total_seconds():
            return self._attempt.degraded(Reason.TLS_EXPIRES_SOON, "the certificate expires soon", values)
        return self._attempt.up(values, duration=taken)

    def _answer(self, status: int) -> Answer:
        version = _VERSIONS.get(int(self.curl.getinfo(pycurl.INFO_HTTP_VERSION)), "")
        kind = self.curl.getinfo(pycurl.CONTENT_TYPE) or ""
        return Answer(status, version, self._headers, bytes(self._body), kind)

    def _failure(self, code: int, words: str) -> tuple[Reason, str]:
        if self._refused:
            return Reason.FORBIDDEN_ADDRESS, f"the address may not be reached: {self._refused}"
        if code == pycurl.E_COULDNT_CONNECT:
            return reasons.of_errno(int(self.curl.getinfo(pycurl.OS_ERRNO))), words
        if code == pycurl.E_PEER_FAILED_VERIFICATION:
            verdict = int(self.curl.getinfo(pycurl.SSL_VERIFYRESULT))
            return _TLS_VERDICTS.get(verdict, Reason.TLS_UNTRUSTED), words
        return _CURL_ERRORS.get(code, Reason.PROTOCOL_ERROR), words

    def _phases(self) -> list[Measurement]:
        """Seconds that each phase took, by blackbox_exporter's names."""
        resolved, connected, secured, asked, answered, ended = map(self.curl.getinfo, _MOMENTS)
        seconds = (
            resolved,
            connected - resolved,
            secured - connected,
            answered - asked,
            ended - answered if answered else 0.0,
        )
        return [
            Measurement("probe_http_duration_seconds", max(0.0, one), labels)
            for one, labels in zip(seconds, _PHASES, strict=True)
        ]


class _Lent(socket.socket):
    """Of what it is given, pycurl keeps a duplicate and forgets the original, which is not a leak."""

    def __del__(self) -> None:
        self.close()


@lru_cache(maxsize=4096)
def _refusal(guard: Guard, address: str) -> str:
    return guard.refusal(address)


def _earliest_expiry(curl: pycurl.Curl) -> float | None:
    """When the first of the certificates expires that the server presented, in Unix seconds."""
    presented = curl.getinfo(pycurl.INFO_CERTINFO)
    ends = [_instant(value) for fields in presented for name, value in fields if name == "Expire date"]
    return min(ends, default=None)


@lru_cache(maxsize=4096)
def _instant(written: str) -> float:
    return float(ssl.cert_time_to_seconds(written))


def _authorities(options: HttpOptions) -> list[tuple[int, str]]:
    """Whom to trust: the file that the target names, or those that Python trusts here."""
    if options.ca_file:
        return [(pycurl.CAINFO, str(options.ca_file))]
    return list(_usual_authorities())


@cache
def _usual_authorities() -> tuple[tuple[int, str], ...]:
    paths = ssl.get_default_verify_paths()
    # With a file alone, libcurl reads it once for the whole loop instead of once a connection.
    if paths.cafile:
        return ((pycurl.CAINFO, paths.cafile),)
    return ((pycurl.CAPATH, paths.capath),) if paths.capath else ()
