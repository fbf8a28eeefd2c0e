"""Task metrics by Celery's own signals: what ran, how it ended, how long it took and waited, its memory.

In a prefork worker the children report what runs in them, and the parent what it alone sees: tasks that were
revoked, and those whose child was killed.
"""

import time
from datetime import datetime
from typing import Any, Final

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import current_app, signals

from watchfleet.fleet import PUBLISHED_HEADER
from watchfleet.instrument import activity
from watchfleet.instrument.bursts import bursts
from watchfleet.instrument.client import Client
from watchfleet.instrument.faults import guarded
from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.memory import resident_bytes
from watchfleet.instrument.vitals import vitals
from watchfleet.model import Kind

"""The message header that tells when a task was published, in Unix seconds."""
MEMORY_EVERY: Final = 0.1
"""Seconds between two looks at the memory after tasks of one name."""
_measured: dict[str, float] = {}
_STARTED: Final = "watchfleet_started"
_OUTCOMES: Final = {
    "SUCCESS": "task_succeeded_total",
    "RETRY": "task_retried_total",
    "IGNORED": "task_ignored_total",
    "REJECTED": "task_rejected_total",
}
_PARENTS_ERRORS: Final = (WorkerLostError, TimeLimitExceeded)


def install() -> None:
    """Connect to Celery's signals; a second call changes nothing."""
    for signal, receiver in (
        (signals.before_task_publish, _publishing),
        (signals.worker_process_init, _born),
        (signals.task_prerun, _starting),
        (signals.task_postrun, _ended),
        (signals.task_failure, _failed_in_parent),
        (signals.task_retry, _retried_in_parent),
        (signals.task_revoked, _revoked),
        (signals.worker_process_shutdown, _leaving),
        (signals.worker_shutdown, _leaving),
    ):
        lifetime.connect(signal, receiver)


@guarded("celery.publishing")
def _publishing(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None:
        headers[PUBLISHED_HEADER] = time.time()


@guarded("celery.born")
def _born(**_: Any) -> None:
    """A pool's child begins: Celery replaces it when it is past a size, in kilobytes."""
    limit = current_app.conf.worker_max_memory_per_child
    vitals.pool_limit = limit * 1024 if limit else None


@guarded("celery.starting")
def _starting(task: Any, **_: Any) -> None:
    request = task.request
    setattr(request, _STARTED, time.perf_counter())
    _count("task_started_total", task.name)
    waited = queue_wait(request, time.time())
    if waited is not None and lifetime.client is not None:
        queue = (request.delivery_info or {}).get("routing_key") or ""
        series = lifetime.client.series(
            "task_queue_wait_seconds", Kind.DURATION, task=task.name, queue=str(queue)
        )
        lifetime.client.observe(series, waited)


def queue_wait(request: Any, now: float) -> float | None:
    """Seconds from when a task could have started until it did; None when its publisher did not tell.

    A task with an ETA could not start before it.
    """
    published = request.get(PUBLISHED_HEADER)
    if not isinstance(published, int | float):
        return None
    eta = datetime.fromisoformat(request.eta).timestamp() if request.eta else published
    return max(now - max(published, eta), 0.0)


@guarded("celery.ended")
def _ended(task: Any, state: str | None = None, retval: Any = None, **_: Any) -> None:
    client = lifetime.client
    started = getattr(task.request, _STARTED, None)
    if started is not None and client is not None:
        series = client.series("task_duration_seconds", Kind.DURATION, task=task.name)
        client.observe(series, time.perf_counter() - started)
        _measure_memory(task.name, client)
    if state == "FAILURE":
        _conclude("task_failed_total", task.name, exception=type(retval).__name__)
    elif state in _OUTCOMES:
        _conclude(_OUTCOMES[state], task.name)
    vitals.worked(task.name, tasks=1)


def _measure_memory(task: str, client: Client) -> None:
    """Reading it costs more than all else that we do for a task; a few times a second are enough."""
    now = time.monotonic()
    if now - _measured.get(task, 0.0) >= MEMORY_EVERY:
        _measured[task] = now
        client.observe(client.series("task_memory_bytes", Kind.GAUGE, task=task), resident_bytes())


@guarded("celery.failed_in_parent")
def _failed_in_parent(
    sender: Any, task_id: str = "", exception: BaseException | None = None, **_: Any
) -> None:
    if isinstance(exception, _PARENTS_ERRORS):
        _conclude("task_failed_total", sender.name, exception=type(exception).__name__)
        activity.record("task", sender.name, id=task_id, state="FAILURE", error=type(exception).__name__)


@guarded("celery.retried_in_parent")
def _retried_in_parent(sender: Any, request: Any = None, reason: Any = None, **_: Any) -> None:
    if isinstance(getattr(reason, "exc", None), _PARENTS_ERRORS):
        _conclude("task_retried_total", sender.name)
        activity.record("task", sender.name, id=request.id, state="RETRY", error=type(reason.exc).__name__)


@guarded("celery.revoked")
def _revoked(sender: Any, *, terminated: bool = False, expired: bool = False, **_: Any) -> None:
    reason = "expired" if expired else "terminated" if terminated else "revoked"
    _conclude("task_revoked_total", sender.name, reason=reason)


def _leaving(**_: Any) -> None:
    # Pool children leave by os._exit, so nothing that is registered with atexit runs in them.
    bursts.finish()
    lifetime.end()


def _count(name: str, task: str, **labels: str) -> None:
    client = lifetime.client
    if client is not None:
        client.count(client.series(name, Kind.EVENT, task=task, **labels))


def _conclude(name: str, task: str, **labels: str) -> None:
    """Count how a task ended, and ship it: nothing that is over waits for the interval."""
    _count(name, task, **labels)
    if lifetime.client is not None:
        lifetime.client.hurry()
