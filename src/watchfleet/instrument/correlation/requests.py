"""Sends the id along with whatever the application asks of others by `requests`."""

from collections.abc import Callable
from typing import Any

from requests import PreparedRequest, Session

from watchfleet import correlation
from watchfleet.correlation import HTTP_HEADERS
from watchfleet.instrument.wrapping import wrap_once


def install() -> None:
    """Wrap what every request passes through; a second call changes nothing."""
    wrap_once(Session, "send", _adding)


def _adding(send: Callable[..., Any]) -> Callable[..., Any]:
    def send_with_id(session: Session, request: PreparedRequest, **options: Any) -> Any:
        _add(request)
        return send(session, request, **options)

    return send_with_id


def _add(request: PreparedRequest) -> None:
    found = correlation.current()
    if found is not None and not any(name in request.headers for name in HTTP_HEADERS):
        request.headers[HTTP_HEADERS[0]] = found
