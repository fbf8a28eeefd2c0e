"""Spans on their way to one exporter, without the host ever waiting for it.

OpenTelemetry's own BatchSpanProcessor starts a thread where it is made, which a forked child does not have,
waits for a collector as long as the exporter likes, and wakes twice a second for nothing. This one starts
its thread, and makes its exporter, at the first span of each process; every wait has an end; whatever is lost
is counted.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from watchfleet.instrument.bell import Bell
from watchfleet.instrument.faults import faults
from watchfleet.instrument.tracing.destinations import Limits
from watchfleet.instrument.tracing.redaction import redacted
from watchfleet.redact import redact

logger = logging.getLogger("watchfleet.instrument")

SHUTDOWN_WAIT: Final = 2.0
"""Seconds that the end of a process waits for a collector."""


class Outbound(SpanProcessor):
    """A bounded queue before one exporter.

    Args:
        name: The exporter's name, for the log.
        make: Makes the exporter; called once a process, in a thread of ours.
        limits: How spans wait.
        on_loss: Told why, and how many spans were lost.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], SpanExporter],
        limits: Limits,
        on_loss: Callable[[str, int], None],
    ) -> None:
        self._name, self._make, self._limits, self._on_loss = name, make, limits, on_loss
        # A parent's exporter must not even be collected in its child: that could shut the shared socket.
        self._inherited: list[SpanExporter] = []
        self._exporter: SpanExporter | None = None
        self.begin()

    def begin(self) -> None:
        """Start with no span, no thread and no connection, as a forked child must."""
        if self._exporter is not None:
            self._inherited.append(self._exporter)
        self._exporter = None
        self._spans: deque[ReadableSpan] = deque()
        self._lock = threading.RLock()  # reentrant: a signal handler of the host may end a span
        self.first = threading.Lock()
        self._proven = self._failing = self._closing = False
        self._thread: threading.Thread | None = None
        self._ended, self._hurried = Bell(), Bell()
        self._flushes: list[threading.Event] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that ended; the oldest leaves when there is no room."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if len(self._spans) >= self._limits.capacity:
            self._drop_oldest()
        self._spans.append(span)
        if len(self._spans) >= self._limits.batch:
            self._hurried.ring()
        self._ended.ring()
        if self._thread is None:
            self._start()

    def force_flush(self, timeout_millis: int | None = None) -> bool:
        """Wait until every span so far was sent, or is lost; false when the time was not enough."""
        flushed = self.ask()
        return flushed is None or flushed.wait((timeout_millis or SHUTDOWN_WAIT * 1000) / 1000)

    def ask(self) -> threading.Event | None:
        """Have every span so far sent; what is returned tells when. None when there is none."""
        if self._thread is None:
            return None
        flushed = threading.Event()
        self._flushes.append(flushed)
        self._hurried.ring()
        self._ended.ring()
        return flushed

    def shutdown(self) -> None:
        """Send what is left, waiting `SHUTDOWN_WAIT` at most."""
        self._closing = True
        self.force_flush()

    def _drop_oldest(self) -> None:
        try:
            self._spans.popleft()
        except IndexError:  # they were sent in this very moment
            return
        self._on_loss("queue_full", 1)

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name=f"watchfleet-{self._name}", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # no thread is to be had, or the interpreter ends
                self._thread = None
                faults.note("tracing.start", "no thread could be started", error)

    def _run(self) -> None:
        while not self._closing:
            self._ended.wait()
            self._hurried.wait(self._limits.delay)
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        flushes, left = list(self._flushes), len(self._spans)
        while left > 0 and (spans := self._take()):
            self._send(spans)
            left -= len(spans)
        for flushed in flushes:
            flushed.set()
            self._flushes.remove(flushed)

    def _take(self) -> list[ReadableSpan]:
        spans: list[ReadableSpan] = []
        with suppress(IndexError):  # there are no more
            while len(spans) < self._limits.batch:
                spans.append(self._spans.popleft())
        return spans

    def _send(self, spans: list[ReadableSpan]) -> None:
        error: Any = None
        try:
            with suppress_instrumentation():
                sent = self._export([redacted(span) for span in spans]) is SpanExportResult.SUCCESS
        except Exception as raised:  # noqa: BLE001 - an exporter fails in many ways, none of them the host's
            sent, error = False, raised
        if not sent:
            self._on_loss("not_sent", len(spans))
        self._tell(sent, error)

    def _export(self, spans: list[ReadableSpan]) -> SpanExportResult:
        if self._proven:
            return self._opened().export(spans)
        # The first export imports modules, of which a child that is forked meanwhile would have halves.
        with self.first:
            result = self._opened().export(spans)
        self._proven = True
        return result

    def _opened(self) -> SpanExporter:
        if self._exporter is None:
            self._exporter = self._make()
        return self._exporter

    def _tell(self, sent: bool, error: Exception | None) -> None:  # noqa: FBT001 - what one try came to
        if sent and self._failing:
            logger.info("spans reach %s again", self._name)
        elif not sent and not self._failing:
            reason = redact(f"{type(error).__name__}: {error}" if error else _reason.take())
            logger.warning("spans do not reach %s, and are counted as lost: %s", self._name, reason)
        self._failing = not sent


class _LastWord(logging.Handler):
    """Keeps an exporter's last complaint. Each would be a line for every batch in the host's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._words = ""

    def emit(self, record: logging.LogRecord) -> None:
        self._words = record.getMessage()

    def take(self) -> str:
        return self._words or "no reason given"


_reason = _LastWord()
_exporters = logging.getLogger("opentelemetry.exporter")
_exporters.addHandler(_reason)
_exporters.propagate = False
