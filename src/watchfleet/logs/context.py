"""What a record belongs to: its request, its trace, its task."""

import logging
import sys
from typing import Any, Final

from watchfleet import correlation

CONTEXT: Final = ("correlation_id", "trace_id", "span_id", "task", "task_id")


def context_of(record: logging.LogRecord) -> dict[str, str]:
    """The ids that hold where the record is logged; those that the record itself brings win.

    Celery and OpenTelemetry are asked only where the process has imported them.
    """
    identity, span = correlation.current(), correlation.current_span()
    found = _task() | (span._asdict() if span else {}) | ({"correlation_id": identity} if identity else {})
    for name in CONTEXT:
        value = getattr(record, name, None)
        if isinstance(value, str) and value:
            found[name] = value
    return {name: found[name] for name in CONTEXT if name in found}


def _task() -> dict[str, str]:
    state: Any = sys.modules.get("celery._state")
    task = state.get_current_task() if state else None
    identity = task.request.id if task else None
    return {"task": str(task.name), "task_id": str(identity)} if task and identity else {}
