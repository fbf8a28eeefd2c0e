"""Traces: spans of what an application does, sent to whatever speaks OpenTelemetry's protocol.

OpenTelemetry is an extra, `watchfleet[tracing]`. Nothing here imports it before it is needed, and where it is
missing everything else works.
"""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final
from urllib.parse import unquote

from watchfleet.instrument.faults import faults
from watchfleet.instrument.tracing.destinations import destinations

DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_SDK: Final = "opentelemetry.sdk.trace"  # imported by an application that set up OpenTelemetry itself


def start(service: str, *, exporters: Any = None, endpoint: str | None = None) -> bool:
    """Have spans sent, if anything says where to. Never raises, and opens nothing before the first span.

    Args:
        service: The application's name.
        exporters: Names of exporters; by default what `OTEL_TRACES_EXPORTER` says.
        endpoint: An OTLP endpoint; by default what `OTLP_ENDPOINT` says.

    Returns:
        Whether there are spans.
    """
    try:
        found = destinations(os.environ, exporters, endpoint)
        if not found and _SDK not in sys.modules:
            return False
        provider = import_module(f"{__name__}.provider")
        return bool(provider.tracing.start(service, os.environ, found))
    except ModuleNotFoundError as error:
        faults.note("tracing", "no spans are sent: install watchfleet[tracing]", error)
    except Exception as error:  # noqa: BLE001 - the host must not suffer from any fault of ours
        faults.note("tracing", type(error).__name__, error)
    return False


def service_name(environment: Mapping[str, str]) -> str | None:
    """What OpenTelemetry's variables call this application, if they do."""
    pairs = (pair.partition("=") for pair in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))
    told = {name.strip(): unquote(value.strip()) for name, _, value in pairs}
    return environment.get("OTEL_SERVICE_NAME") or told.get("service.name") or None


def install(library: str, *arguments: Any) -> None:
    """Make spans of what a library does, unless `OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` names it."""
    disabled = {name.strip() for name in os.environ.get(DISABLED, "").split(",")}
    if library in disabled or "*" in disabled:
        return
    try:
        import_module(f"{__name__}.{library}").install(*arguments)
    except Exception as error:  # noqa: BLE001 - as above
        faults.note(f"tracing.{library}", type(error).__name__, error)
