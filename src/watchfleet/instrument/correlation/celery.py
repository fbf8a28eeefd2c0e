"""Carries the id in Celery's messages, and makes it current where a task runs."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from celery import signals

from watchfleet import correlation
from watchfleet.correlation import FOREIGN_HEADER, HEADER
from watchfleet.instrument import activity
from watchfleet.instrument.correlation.scope import Scope, mark_span
from watchfleet.instrument.faults import guarded
from watchfleet.instrument.lifetime import lifetime
from watchfleet.instrument.wrapping import wrap_once

_SCOPE: Final = "watchfleet_scope"


def install() -> None:
    """Connect to Celery's signals; a second call changes nothing.

    To be called after the spans' instrumentation: a new id is the trace id of the span that it has begun.
    """
    lifetime.connect(signals.before_task_publish, _carry)
    lifetime.connect(signals.task_prerun, _take_up)
    lifetime.connect(signals.task_postrun, _put_down)
    lifetime.connect(signals.worker_init, _prepare_parent)


@guarded("correlation.publishing")
def _carry(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is None:
        return
    # What is in the headers was put there for this very message: by the host, or by the task that it retries.
    chosen = _given(headers.get) or correlation.current() or correlation.new()
    headers[HEADER] = chosen
    mark_span(chosen)


@guarded("correlation.starting")
def _take_up(task: Any, **_: Any) -> None:
    request = task.request
    inherited = correlation.current() if request.is_eager else None
    chosen = _given(request.get) or inherited or correlation.new()
    setattr(request, _SCOPE, Scope(chosen))


@guarded("correlation.ended")
def _put_down(task: Any, state: str | None = None, retval: Any = None, **_: Any) -> None:
    request = task.request
    scope = getattr(request, _SCOPE, None)
    if scope is None:
        return
    error = type(retval).__name__ if isinstance(retval, Exception) else ""
    activity.record(
        "task",
        task.name,
        scope.elapsed(),
        id=request.id,
        state=state or "",
        error=error,
        retries=request.retries or None,
    )
    scope.close(task.name)


@guarded("correlation.worker")
def _prepare_parent(**_: Any) -> None:
    """Have the id in the worker's parent, too, when it ends a task whose child was killed or took too long.

    It sends the message again, or calls the errbacks. Celery means these methods to be extended.
    """
    for method in ("on_failure", "on_timeout"):
        wrap_once(import_module("celery.worker.request").Request, method, _with_id)


def _with_id(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(request: Any, *args: Any, **kwargs: Any) -> Any:
        with correlation.bound(_given((request.request_dict or {}).get)):
            return method(request, *args, **kwargs)

    return call


def _given(get: Any) -> str | None:
    return correlation.accepted(get(HEADER)) or correlation.accepted(get(FOREIGN_HEADER))
