"""`http`: does a web server answer a request as it should? Every target of a batch in one libcurl loop."""

import re
import socket
import ssl
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import pycurl
from pydantic import AfterValidator, BeforeValidator, Field, FilePath, SecretStr, WithJsonSchema

from watchfleet import __version__
from watchfleet.addresses import Guard, operator_guard
from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes import reasons
from watchfleet.probes.multi import borrowed
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason
from watchfleet.settings import get_settings

USER_AGENT: Final = f"watchfleet/{__version__}"
_STATUS: Final = re.compile(r"[1-5]xx|[1-5]\d\d|([1-5]\d\d)-([1-5]\d\d)")
_STATUS_SCHEMA: Final = {
    "anyOf": [{"type": "integer"}, {"type": "string", "pattern": f"^({_STATUS.pattern})$"}]
}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TLS_VERDICTS: Final = {  # OpenSSL's X509_V_*
    0: Reason.TLS_WRONG_HOST,  # libcurl compares the names itself: OpenSSL has no complaint,
    1: Reason.TLS_WRONG_HOST,  # or was not asked yet
    9: Reason.TLS_NOT_YET_VALID,
    10: Reason.TLS_EXPIRED,
    62: Reason.TLS_WRONG_HOST,
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


def _known_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("write an address like https://example.org/health")
    if any(ord(character) <= 0x20 or ord(character) == 0x7F for character in url):
        raise ValueError("an address holds no spaces; write %20")
    return url


def _statuses(value: object) -> object:
    """`200`, `[200, 204]` and `2xx` are all fine in YAML."""
    listed = value if isinstance(value, list) else [value]
    return [str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in listed]


def _known_status(value: str) -> str:
    if not _STATUS.fullmatch(value):
        raise ValueError(f"{value!r} is no HTTP status; write it like 200, 2xx or 200-204")
    return value


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no header's name")
    return name


def _header_value(value: SecretStr) -> SecretStr:
    if any(character in value.get_secret_value() for character in "\r\n\0"):
        raise ValueError("a header's value is one line")
    return value


class HttpOptions(Options):
    """The settings of `http`."""

    url: Annotated[str, AfterValidator(_known_url)] = Field(
        description="What to ask for, such as https://example.org/health."
    )
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = Field(
        "GET", description="The request's method."
    )
    headers: dict[
        Annotated[str, AfterValidator(_header_name)], Annotated[SecretStr, AfterValidator(_header_value)]
    ] = Field(default_factory=dict, description="Header fields to send.")
    body: str | None = Field(None, description="The request's body.")
    username: str | None = Field(None, description="The name for basic authentication.")
    password: SecretStr | None = Field(None, description="The password for basic authentication.")
    expected_status: Annotated[
        list[Annotated[str, AfterValidator(_known_status)]],
        BeforeValidator(_statuses),
        WithJsonSchema({"anyOf": [_STATUS_SCHEMA, {"type": "array", "items": _STATUS_SCHEMA}]}),
    ] = Field(["2xx"], min_length=1, description="Statuses that are fine: 200, 2xx or 200-204, or a list.")
    expected_text: str | None = Field(None, min_length=1, description="Text that the body must hold.")
    max_redirects: int = Field(
        5, ge=0, le=30, description="Redirects to follow; with 0, a redirect is itself the answer."
    )
    max_body_bytes: int = Field(
        1_048_576, ge=0, le=67_108_864, description="No more of the body is read, nor searched."
    )
    verify_tls: bool = Field(default=True, description="Whether the certificate must be valid.")
    ca_file: FilePath | None = Field(
        None, description="Certificates to trust instead of the usual authorities, as PEM."
    )

    def accepts(self, status: int) -> bool:
        """Whether an HTTP status is among the expected."""
        return any(_covers(expected, status) for expected in self.expected_status)


def _covers(expected: str, status: int) -> bool:
    if expected.endswith("xx"):
        return status // 100 == int(expected[0])
    first, _, last = expected.partition("-")
    return int(first) <= status <= int(last or first)


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
        return [exchange.result(ended.get(exchange.curl)) for exchange in exchanges]
    finally:
        for exchange in exchanges:
            exchange.curl.close()


class _Exchange:
    """One request and its answer."""

    def __init__(self, target: Target, guard: Guard) -> None:
        options = target.options
        if not isinstance(options, HttpOptions):
            raise TypeError(f"{target.name} is no target of kind http")
        self._options, self._guard = options, guard
        self._attempt = Attempt(target)
        self._body = bytearray()
        self._seen = 0
        self._refused = ""
        self._cut = False
        self.curl = pycurl.Curl()
        self._prepare(round(target.timeout.total_seconds() * 1000))

    def _prepare(self, timeout: int) -> None:
        curl, options = self.curl, self._options
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
            (pycurl.OPENSOCKETFUNCTION, self._open),
        ):
            curl.setopt(option, value)
        for option, path in _authorities(options):
            curl.setopt(option, path)
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

    def _open(self, _purpose: int, address: Any) -> Any:
        """A socket for an address that libcurl is about to connect to, if it may be."""
        family, kind, protocol, where = address
        self._refused = _refusal(self._guard, where[0])
        return pycurl.SOCKET_BAD if self._refused else _Lent(family, kind, protocol)

    def _receive(self, chunk: bytes) -> int | None:
        self._seen += len(chunk)
        if self._options.expected_text is not None:
            room = self._options.max_body_bytes - len(self._body)
            self._body += chunk[: max(0, room)]
        if self._seen <= self._options.max_body_bytes:
            return None
        self._cut = True
        return 0  # libcurl ends the transfer

    def result(self, ended: tuple[int, str] | None) -> ProbeResult:
        """The verdict, given how the transfer ended."""
        taken = float(self.curl.getinfo(pycurl.TOTAL_TIME))
        if ended is None:
            return self._attempt.down(Reason.TIMEOUT, "no answer in time")
        code, words = ended
        if code and not (code == pycurl.E_WRITE_ERROR and self._cut):
            return self._attempt.down(*self._failure(code, words), self._phases(), duration=taken)
        status = int(self.curl.getinfo(pycurl.RESPONSE_CODE))
        values = [Measurement("probe_http_status_code", float(status)), *self._phases()]
        if not self._options.accepts(status):
            expected = ", ".join(self._options.expected_status)
            detail = f"status {status}, expected {expected}"
            return self._attempt.down(Reason.UNEXPECTED_STATUS, detail, values, duration=taken)
        if not self._holds_text():
            detail = "the body does not hold the expected text"
            return self._attempt.down(Reason.BODY_MISMATCH, detail, values, duration=taken)
        return self._attempt.up(values, duration=taken)

    def _failure(self, code: int, words: str) -> tuple[Reason, str]:
        if self._refused:
            return Reason.FORBIDDEN_ADDRESS, f"the address may not be reached: {self._refused}"
        if code == pycurl.E_COULDNT_CONNECT:
            return reasons.of_errno(int(self.curl.getinfo(pycurl.OS_ERRNO))), words
        if code == pycurl.E_PEER_FAILED_VERIFICATION:
            verdict = int(self.curl.getinfo(pycurl.SSL_VERIFYRESULT))
            return _TLS_VERDICTS.get(verdict, Reason.TLS_UNTRUSTED), words
        return _CURL_ERRORS.get(code, Reason.PROTOCOL_ERROR), words

    def _holds_text(self) -> bool:
        text = self._options.expected_text
        if text is None:
            return True
        return any(text.encode(charset) in self._body for charset in self._charsets(text))

    def _charsets(self, text: str) -> list[str]:
        """UTF-8, and what the server says that it speaks, if that can write the text."""
        kind = self.curl.getinfo(pycurl.CONTENT_TYPE) or ""
        found = re.search(r"charset=\"?([\w.:-]+)", kind, re.IGNORECASE)
        charsets = ["utf-8"]
        if found:
            try:
                text.encode(found[1])
                charsets.append(found[1])
            except (LookupError, UnicodeEncodeError):
                pass
        return charsets

    def _phases(self) -> list[Measurement]:
        """Seconds that each phase took, by blackbox_exporter's names."""
        at = {
            name: float(self.curl.getinfo(moment))
            for name, moment in (
                ("resolve", pycurl.NAMELOOKUP_TIME),
                ("connect", pycurl.CONNECT_TIME),
                ("tls", pycurl.APPCONNECT_TIME),
                ("request", pycurl.PRETRANSFER_TIME),
                ("answer", pycurl.STARTTRANSFER_TIME),
                ("end", pycurl.TOTAL_TIME),
            )
        }
        phases = {
            "resolve": at["resolve"],
            "connect": at["connect"] - at["resolve"],
            "tls": at["tls"] - at["connect"],
            "processing": at["answer"] - at["request"],
            "transfer": at["end"] - at["answer"] if at["answer"] else 0.0,
        }
        return [
            Measurement("probe_http_duration_seconds", max(0.0, seconds), {"phase": phase})
            for phase, seconds in phases.items()
        ]


class _Lent(socket.socket):
    """Of what it is given, pycurl keeps a duplicate and forgets the original, which is not a leak."""

    def __del__(self) -> None:
        self.close()


@lru_cache(maxsize=4096)
def _refusal(guard: Guard, address: str) -> str:
    return guard.refusal(address)


def _authorities(options: HttpOptions) -> list[tuple[int, str]]:
    """Whom to trust: the file that the target names, or those that Python trusts here."""
    if options.ca_file:
        return [(pycurl.CAINFO, str(options.ca_file))]
    paths = ssl.get_default_verify_paths()
    # With a file alone, libcurl reads it once for the whole loop instead of once a connection.
    if paths.cafile:
        return [(pycurl.CAINFO, paths.cafile)]
    return [(pycurl.CAPATH, paths.capath)] if paths.capath else []
