"""The blueprint of `/ping`, where jobs tell that they began and how they ended."""

from collections.abc import Callable
from functools import partial
from typing import Final

from flask import Blueprint, Response, request
from sqlalchemy import Connection
from sqlalchemy.exc import TimeoutError as NoConnectionError

from watchfleet.db.engine import transaction
from watchfleet.errors import StoreUnavailableError
from watchfleet.probes.heartbeat import named_by
from watchfleet.probes.pings import LONGEST_BODY, end, start
from watchfleet.probes.targets import get_targets

pings = Blueprint("pings", __name__, url_prefix="/ping")

METHODS: Final = ("GET", "POST")
HIGHEST: Final = 255


@pings.route("/<key>", methods=METHODS)
def succeeded(key: str) -> Response:
    """The job ended well."""
    return ended(key, 0)


@pings.route("/<key>/start", methods=METHODS)
def started(key: str) -> Response:
    """The job began."""
    return _noted(key, start)


@pings.route("/<key>/fail", methods=METHODS)
def failed(key: str) -> Response:
    """The job ended badly."""
    return _ended(key, None)


@pings.route("/<key>/<int:code>", methods=METHODS)
def ended(key: str, code: int) -> Response:
    """The job ended with this exit code."""
    return _ended(key, code) if code <= HIGHEST else _answer(400, f"an exit code is at most {HIGHEST}")


def _ended(key: str, code: int | None) -> Response:
    return _noted(key, partial(end, exit_code=code, body=request.stream.read(LONGEST_BODY)))


def _noted(key: str, note: Callable[[Connection, str], None]) -> Response:
    names = named_by(key, get_targets())
    if not names:
        return _answer(404, "no heartbeat has this key")
    try:
        with transaction() as connection:
            for name in names:
                note(connection, name)
    except (StoreUnavailableError, NoConnectionError):
        answer = _answer(503, "the store does not answer; ping again")
        answer.headers["Retry-After"] = "5"
        return answer
    return _answer(200, "OK")


def _answer(status: int, text: str) -> Response:
    answer = Response(f"{text}\n", status, mimetype="text/plain")
    answer.headers["Cache-Control"] = "no-store"
    return answer
