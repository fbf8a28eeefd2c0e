"""Where spans go: read from the arguments and from OpenTelemetry's own variables."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from watchfleet.errors import ConfigError

OTLP: Final = "otlp"
GRPC: Final = "otlp_proto_grpc"
HTTP: Final = "otlp_proto_http"
_NONE: Final = "none"
_PROTOCOLS: Final = {"grpc": GRPC, "http/protobuf": HTTP}
_GRPC_PORT: Final = 4317
_TRACES_PATH: Final = "/v1/traces"
_OWN_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_ENDPOINTS: Final = ("OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_BATCH_TIMEOUT: Final = "OTEL_BSP_EXPORT_TIMEOUT"
_TIMEOUTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
_PROTOCOL_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class Destination(NamedTuple):
    """One exporter.

    Attributes:
        exporter: Its name among the entry points of the group `opentelemetry_traces_exporter`.
        options: What it is made with, beyond what it reads from the environment itself.
    """

    exporter: str
    options: dict[str, Any]


class Limits(NamedTuple):
    """How spans wait to be sent, by OpenTelemetry's variables `OTEL_BSP_*`.

    Attributes:
        delay: Seconds after which a span is sent at the latest. Half a second by default, where OpenTelemetry
            has five: that much is lost when a process is killed.
        capacity: How many spans wait at most; the oldest are dropped.
        batch: How many are sent at once.
    """

    delay: float = 0.5
    capacity: int = 2048
    batch: int = 512


def destinations(
    environment: Mapping[str, str], exporters: Iterable[str] | str | None = None, endpoint: str | None = None
) -> list[Destination]:
    """Where spans go; nowhere when nothing says so.

    Args:
        environment: Variables: `OTEL_TRACES_EXPORTER`, the endpoints and protocols.
        exporters: Names that win over `OTEL_TRACES_EXPORTER`: `otlp`, `console`, `none`, or any that is
            installed. By default `otlp` when there is an endpoint.
        endpoint: An OTLP endpoint that wins over the variables.

    Raises:
        ConfigError: An endpoint or a protocol cannot be used.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    endpoint = endpoint or _endpoint(environment)
    found = _names(exporters or environment.get("OTEL_TRACES_EXPORTER") or (OTLP if endpoint else _NONE))
    return [_destination(name, environment, endpoint) for name in found if name != _NONE]


def limits(environment: Mapping[str, str]) -> Limits:
    """How spans wait.

    Raises:
        ConfigError: A variable holds no positive number.
    """
    default = Limits()
    capacity = _number(environment, "OTEL_BSP_MAX_QUEUE_SIZE", default.capacity)
    batch = _number(environment, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", default.batch)
    delay = _number(environment, "OTEL_BSP_SCHEDULE_DELAY", round(default.delay * 1000))
    return Limits(delay / 1000, capacity, min(batch, capacity))


def _names(given: Iterable[str] | str) -> list[str]:
    several = given.split(",") if isinstance(given, str) else given
    return list(dict.fromkeys(name.strip().lower() for name in several if name.strip()))


def _endpoint(environment: Mapping[str, str]) -> str | None:
    return next((environment[name] for name in (_OWN_ENDPOINT, *_ENDPOINTS) if environment.get(name)), None)


def _destination(name: str, environment: Mapping[str, str], endpoint: str | None) -> Destination:
    if name not in {OTLP, GRPC, HTTP}:
        return Destination(name, {})
    exporter, timeout = _protocol(environment, endpoint) if name == OTLP else name, _timeout(environment)
    if endpoint is None or endpoint == environment.get(_OWN_ENDPOINT):
        return Destination(exporter, {"endpoint": endpoint, **timeout} if endpoint else timeout)
    if urlsplit(endpoint).scheme not in {"http", "https"}:
        raise ConfigError(
            f"the OTLP endpoint {endpoint} has no scheme", mend="begin it with http:// or https://"
        )
    return Destination(
        exporter, {"endpoint": _traces_url(endpoint) if exporter == HTTP else endpoint, **timeout}
    )


def _timeout(environment: Mapping[str, str]) -> dict[str, float]:
    """The seconds for a batch, where `OTEL_BSP_EXPORT_TIMEOUT` allows fewer than the exporter takes."""
    if not environment.get(_BATCH_TIMEOUT, "").strip():
        return {}
    seconds = _number(environment, _BATCH_TIMEOUT, 0) / 1000
    own = next((environment[name] for name in _TIMEOUTS if environment.get(name)), "10")
    try:
        return {"timeout": min(seconds, float(own))}
    except ValueError:
        raise ConfigError(f"an exporter's timeout is {own!r}", mend="set it to a number of seconds") from None


def _protocol(environment: Mapping[str, str], endpoint: str | None) -> str:
    """The exporter of OTLP: what a variable says, else gRPC on its own port and HTTP on any other."""
    told = next((name for name in _PROTOCOL_VARIABLES if environment.get(name)), None)
    if told is None:
        return GRPC if endpoint and urlsplit(endpoint).port == _GRPC_PORT else HTTP
    value = environment[told].strip()
    if value not in _PROTOCOLS:
        raise ConfigError(f"{told}={value}", mend=f"set it to {' or '.join(_PROTOCOLS)}")
    return _PROTOCOLS[value]


def _traces_url(endpoint: str) -> str:
    return endpoint if endpoint.endswith(_TRACES_PATH) else endpoint.rstrip("/") + _TRACES_PATH


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ConfigError(f"{name}={text}", mend="set it to a whole number above 0")
    return int(text)
