"""The base of every task: what becomes visible of its arguments, results and errors.

Events reach Flower and whoever listens on the broker. They show ids, names and times; payloads and secrets
they do not.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import celery
from celery.worker import request

from watchfleet.redact import redact

_LONGEST: Final = 80
_ITEMS: Final = 3


def shown(value: object) -> str:
    """An argument as events show it: numbers and short texts as they are, of the rest its kind and size."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        text = redact(value[: 10 * _LONGEST])
        return repr(text) if len(text) <= _LONGEST else f"{text[:_LONGEST]!r}..."
    if isinstance(value, list | tuple):
        return _shown_items(value)
    if isinstance(value, Collection):
        return f"<{type(value).__name__} of {len(value)}>"
    return f"<{type(value).__name__}>"


def _shown_items(items: Sequence[object]) -> str:
    first = [
        f"<{type(item).__name__} of {len(item)}>" if isinstance(item, list | tuple) else shown(item)
        for item in items[:_ITEMS]
    ]
    more = [f"... {len(items) - _ITEMS} more"] if len(items) > _ITEMS else []
    return f"[{', '.join(first + more)}]"


def shown_call(args: Sequence[object], kwargs: Mapping[str, object]) -> tuple[str, str]:
    """A call's positional and named arguments as events show them."""
    named = (f"{name}={shown(value)}" for name, value in kwargs.items())
    return f"({', '.join(shown(value) for value in args)})", f"{{{', '.join(named)}}}"


class Request(request.Request):  # type: ignore[misc]  # celery publishes no types
    """A task as the worker holds it; its events are redacted."""

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002 - the base class's name for it
        """Send an event, without secrets in the exception, traceback or result that it carries."""
        clean = {name: redact(value) if isinstance(value, str) else value for name, value in fields.items()}
        super().send_event(type, **clean)


class Task(celery.Task):  # type: ignore[misc]  # celery publishes no types
    """A task of the fleet."""

    abstract = True
    Request = f"{__name__}:{Request.__name__}"
    default_retry_delay = 0  # what waits, waits in the store: a message that waits blocks a prefetch slot

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *rest: Any,
        **options: Any,
    ) -> Any:
        """Send the task; see Celery's own."""
        positional, named = shown_call(args or (), kwargs or {})
        reprs = {"argsrepr": positional, "kwargsrepr": named}
        return super().apply_async(args, kwargs, *rest, **{**reprs, **options})
