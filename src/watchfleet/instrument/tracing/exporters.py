"""OpenTelemetry's own exporters, which write most spans by `encoding`: that is most of what sending costs."""

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from watchfleet.errors import ConfigError
from watchfleet.instrument.tracing.destinations import GRPC, HTTP, Destination

_GROUP: Final = "opentelemetry_traces_exporter"


def maker(destination: Destination) -> Callable[[], SpanExporter]:
    """What makes an exporter.

    Raises:
        ConfigError: None of that name is installed.
    """
    entry = next(iter(entry_points(group=_GROUP, name=destination.exporter)), None)
    if entry is None:
        raise ConfigError(
            f"there is no exporter {destination.exporter} for spans",
            mend="name otlp, console or none, or install the package that has it",
        )
    exporter = _QUICK.get(destination.exporter, lambda theirs: theirs)(entry.load())
    return lambda: exporter(**destination.options)


def _over_http(theirs: Any) -> Any:
    from watchfleet.instrument.tracing.encoding import encoded  # noqa: PLC0415 - needs OTLP's packages

    class Quick(theirs):  # type: ignore[misc]  # a class that an entry point names
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            client = getattr(self, "_client", None)
            if client is None or self._shutdown:  # another version of theirs, or its end
                return super().export(spans)  # type: ignore[no-any-return]  # likewise
            sent = client.export(encoded(spans)).success
            return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE

    return Quick


def _over_grpc(theirs: Any) -> Any:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - as above
        ExportTraceServiceRequest,
    )

    from watchfleet.instrument.tracing.encoding import encoded  # noqa: PLC0415 - as above

    class Quick(theirs):  # type: ignore[misc]  # as above
        def _translate_data(self, data: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
            request = ExportTraceServiceRequest()
            request.ParseFromString(encoded(data))
            return request

    return Quick


_QUICK: Final[dict[str, Callable[[Any], Any]]] = {HTTP: _over_http, GRPC: _over_grpc}
