"""Where spans go, by every variable that may say so."""

import pytest

from watchfleet.errors import ConfigError
from watchfleet.instrument.tracing.destinations import GRPC, HTTP, Limits, destinations, limits

BASE = "http://collector:4318"
FULL = f"{BASE}/v1/traces"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, []),
        ({"OTLP_ENDPOINT": BASE}, [(HTTP, FULL)]),
        ({"OTLP_ENDPOINT": f"{BASE}/"}, [(HTTP, FULL)]),
        ({"OTLP_ENDPOINT": FULL}, [(HTTP, FULL)]),
        ({"OTLP_ENDPOINT": "http://collector:4317"}, [(GRPC, "http://collector:4317")]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"{BASE}/otel"}, [(HTTP, f"{BASE}/otel/v1/traces")]),
        ({"OTLP_ENDPOINT": BASE, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://other"}, [(HTTP, FULL)]),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/in", "OTLP_ENDPOINT": BASE},
            [(HTTP, "http://c/in")],
        ),
        ({"OTLP_ENDPOINT": BASE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, [(GRPC, BASE)]),
        (
            {
                "OTLP_ENDPOINT": BASE,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            [(HTTP, FULL)],
        ),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, [(HTTP, None)]),
        ({"OTEL_TRACES_EXPORTER": "none", "OTLP_ENDPOINT": BASE}, []),
        ({"OTEL_TRACES_EXPORTER": "console"}, [("console", None)]),
        (
            {"OTEL_TRACES_EXPORTER": " otlp, console,otlp", "OTLP_ENDPOINT": BASE},
            [(HTTP, FULL), ("console", None)],
        ),
        ({"OTEL_SDK_DISABLED": "true", "OTLP_ENDPOINT": BASE}, []),
    ],
)
def test_the_variables_say_where(environment: dict[str, str], expected: list[tuple[str, str | None]]) -> None:
    found = destinations(environment)
    assert [(one.exporter, one.options.get("endpoint")) for one in found] == expected


def test_arguments_win_over_variables() -> None:
    environment = {"OTLP_ENDPOINT": BASE, "OTEL_TRACES_EXPORTER": "none"}
    (found,) = destinations(environment, ["otlp"], "http://mine:4318")
    assert found == (HTTP, {"endpoint": "http://mine:4318/v1/traces"})


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"OTLP_ENDPOINT": "collector:4317"}, "collector:4317 has no scheme (begin it with http://"),
        (
            {"OTLP_ENDPOINT": BASE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_PROTOCOL=http/json (set it to grpc or http/protobuf)",
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_its_mend(environment: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        destinations(environment)
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("variables", "timeout"),
    [
        ({}, None),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "2500"}, 2.5),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "30000"}, 10),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "2500", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}, 1),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "2500", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "60"}, 2.5),
    ],
)
def test_the_shorter_timeout_counts(variables: dict[str, str], timeout: float | None) -> None:
    for endpoint in ("OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        (found,) = destinations({endpoint: BASE, **variables})
        assert found.options.get("timeout") == timeout
    with pytest.raises(ConfigError, match="OTEL_BSP_EXPORT_TIMEOUT=soon"):
        destinations({"OTLP_ENDPOINT": BASE, "OTEL_BSP_EXPORT_TIMEOUT": "soon"})


def test_the_limits_of_the_queue_are_opentelemetrys_variables() -> None:
    assert limits({}) == Limits(0.5, 2048, 512)
    environment = {
        "OTEL_BSP_SCHEDULE_DELAY": "250",
        "OTEL_BSP_MAX_QUEUE_SIZE": "100",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "200",
    }
    assert limits(environment) == Limits(0.25, 100, 100)
    with pytest.raises(ConfigError, match="OTEL_BSP_SCHEDULE_DELAY=soon"):
        limits({"OTEL_BSP_SCHEDULE_DELAY": "soon"})
