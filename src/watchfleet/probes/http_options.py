"""The settings of `http`."""

import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, FilePath, SecretStr, WithJsonSchema

from watchfleet.clock import Period
from watchfleet.probes.fields import Pattern
from watchfleet.probes.probe import Options

_STATUS: Final = re.compile(r"[1-5]xx|[1-5]\d\d|([1-5]\d\d)-([1-5]\d\d)")
_STATUS_SCHEMA: Final = {
    "anyOf": [{"type": "integer"}, {"type": "string", "pattern": f"^({_STATUS.pattern})$"}]
}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


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


def _known_path(path: str) -> str:
    import jsonpath  # noqa: PLC0415 - 4 MiB that few configurations need

    try:
        jsonpath.compile(path)
    except jsonpath.JSONPathError as error:
        raise ValueError(f"{path!r} is no JSONPath: {error}") from None
    return path


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
    expected_pattern: Pattern | None = Field(None, description="A pattern (RE2) that the body must hold.")
    forbidden_pattern: Pattern | None = Field(
        None, description="A pattern (RE2) that the body must not hold."
    )
    expected_json: dict[Annotated[str, AfterValidator(_known_path)], Any] = Field(
        default_factory=dict,
        description="What a JSON body must hold: a JSONPath (RFC 9535), and the value of one of its nodes.",
    )
    expected_headers: dict[Annotated[str, AfterValidator(_header_name)], Pattern] = Field(
        default_factory=dict,
        description="Header fields of the answer, and a pattern (RE2) for each.",
    )
    http_version: Literal["any", "1.0", "1.1", "2"] = Field(
        "any", description="The version to speak; the target is down if the answer has another."
    )
    degraded_before_expiry: Period | None = Field(
        None, description="A certificate that expires sooner makes the target degraded. Not set: never."
    )
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

    @property
    def is_https(self) -> bool:
        """Whether the first request goes over TLS."""
        return self.url.startswith("https:")

    @property
    def reads_body(self) -> bool:
        """Whether anything is expected of the body."""
        return any((self.expected_text, self.expected_pattern, self.forbidden_pattern, self.expected_json))

    def accepts(self, status: int) -> bool:
        """Whether an HTTP status is among the expected."""
        return any(_covers(expected, status) for expected in self.expected_status)


def _covers(expected: str, status: int) -> bool:
    if expected.endswith("xx"):
        return status // 100 == int(expected[0])
    first, _, last = expected.partition("-")
    return int(first) <= status <= int(last or first)
