"""Takes the id from a request, or makes one, and tells it in the response."""

from typing import Final

from flask import Flask, Response, g, request

from watchfleet import correlation
from watchfleet.correlation import HTTP_HEADERS
from watchfleet.instrument import activity
from watchfleet.instrument.correlation.scope import Scope
from watchfleet.instrument.faults import faults

_EXTENSION: Final = "watchfleet.correlation"
_SCOPE: Final = "_watchfleet_scope"
_STATUS: Final = "_watchfleet_status"


def install(app: Flask) -> None:
    """Give an id to each request of an application; a second call changes nothing.

    To be called after the spans' instrumentation, whose hook must come before ours.
    """
    if _EXTENSION in app.extensions:
        return
    app.extensions[_EXTENSION] = True
    # What the application does before a request has the id, too; only the span is begun before.
    traced = getattr(app, "_is_instrumented_by_opentelemetry", False)
    app.before_request_funcs.setdefault(None, []).insert(1 if traced else 0, _begin)
    app.after_request_funcs.setdefault(None, []).append(_tell)
    app.teardown_request_funcs.setdefault(None, []).append(_end)


def _begin() -> None:
    try:
        given = (correlation.accepted(request.headers.get(name)) for name in HTTP_HEADERS)
        setattr(g, _SCOPE, Scope(next(filter(None, given), None) or correlation.new()))
    except Exception as error:  # noqa: BLE001 - the host must not suffer from any fault of ours
        faults.note("correlation.request", type(error).__name__, error)


def _tell(response: Response) -> Response:
    scope = g.get(_SCOPE)
    if scope is not None:
        for name in HTTP_HEADERS:
            response.headers[name] = scope.correlation_id
        setattr(g, _STATUS, response.status_code)
    return response


def _end(_: BaseException | None) -> None:
    scope = g.pop(_SCOPE, None)
    if scope is not None:
        route = request.url_rule.rule if request.url_rule else "unmatched"
        name = f"{request.method} {route}"
        activity.record("request", name, scope.elapsed(), status=g.pop(_STATUS, None))
        scope.close(name)
