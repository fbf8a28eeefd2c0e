"""The blueprint of `/api/logs/`: the log files of one folder, searched, tailed and counted.

It can be mounted in any Flask application:

    app.register_blueprint(create_logs("/var/log/shop", token="..."))
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Final

from flask import Blueprint, Response, request

from watchfleet.clock import utcnow
from watchfleet.logs.answers import answer_facts, file_facts, histogram_facts, record_facts
from watchfleet.logs.errors import LogQueryError, NoSuchLogError
from watchfleet.logs.files import LogRoot
from watchfleet.logs.follow import Follower, Position
from watchfleet.logs.histogram import histogram
from watchfleet.logs.search import search
from watchfleet.logs.tail import MOST_RECORDS, last_records
from watchfleet.settings import get_settings
from watchfleet.web.access import token_refusal
from watchfleet.web.log_parameters import boolean, known, number, query

HEARTBEAT: Final = 15.0
"""Seconds after which a stream without news says that it is alive."""
MOST_STREAMS: Final = 4
"""Half of the web process's threads."""
_LONGEST_STREAM: Final = 3600.0
_EVERY: Final = 0.25
_HTML: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\x7f": "\\u007f"})


def create_logs(directory: str | Path | None = None, *, token: str | None = None) -> Blueprint:
    """The routes, for one folder and those who have the token.

    Args:
        directory: Where the logs are; by default LOG_DIRECTORY.
        token: What requests must send as a bearer token; by default API_TOKEN. Without any, nobody may read.
    """
    api = _Api(directory, token)
    blueprint = Blueprint("logs", __name__, url_prefix="/api/logs")
    blueprint.before_request(api.refuse)
    blueprint.register_error_handler(LogQueryError, lambda error: _answer({"error": str(error)}, 400))
    blueprint.register_error_handler(NoSuchLogError, lambda error: _answer({"error": str(error)}, 404))
    blueprint.add_url_rule("/files", view_func=api.files)
    blueprint.add_url_rule("/search", view_func=api.search)
    blueprint.add_url_rule("/histogram", view_func=api.histogram)
    blueprint.add_url_rule("/tail/<path:name>", view_func=api.tail)
    return blueprint


class _Api:
    def __init__(self, directory: str | Path | None, token: str | None) -> None:
        self._directory, self._token = directory, token
        self._streams = BoundedSemaphore(MOST_STREAMS)

    def refuse(self) -> Response | None:
        """Nobody reads logs without a token, not even from the same machine."""
        own = get_settings().api_token if self._token is None else None
        return token_refusal(self._token or (own.get_secret_value() if own else None))

    def files(self) -> Response:
        """The files that can be searched."""
        known(request.args, ())
        return _answer({"files": [file_facts(file) for file in self._root().files()]})

    def search(self) -> Response:
        """Records, as `log_parameters.SEARCH` says."""
        return _answer(answer_facts(search(self._root(), query(request.args, utcnow()))))

    def histogram(self) -> Response:
        """Counts over time, by the same parameters and `buckets`."""
        buckets = number(request.args, "buckets", 60)
        asked = query(request.args, utcnow(), more=("buckets",))
        return _answer(histogram_facts(histogram(self._root(), asked, buckets=buckets)))

    def tail(self, name: str) -> Response:
        """The last records of a file; with `follow`, server-sent events of what is added to it."""
        known(request.args, ("lines", "level", "follow"))
        lines = number(request.args, "lines", 100, most=MOST_RECORDS)
        level = request.args.get("level") or None
        root = self._root()
        if not boolean(request.args, "follow"):
            records = last_records(root, name, lines, level)
            return _answer({"file": name, "records": [record_facts(record) for record in records]})
        return self._follow(root, name, lines, level)

    def _follow(self, root: LogRoot, name: str, lines: int, level: str | None) -> Response:
        if not self._streams.acquire(blocking=False):
            refused = _answer({"error": f"{MOST_STREAMS} streams are open, which is the most"}, 503)
            refused.headers["Retry-After"] = "10"
            return refused
        try:
            events = _events(root, name, lines, level, request.headers.get("Last-Event-ID"))
        except BaseException:
            self._streams.release()
            raise
        response = Response(events, mimetype="text/event-stream")
        response.call_on_close(_once(self._streams.release))
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"
        return response

    def _root(self) -> LogRoot:
        directory = self._directory or get_settings().log_directory
        if directory is None:
            raise NoSuchLogError("there are no logs here: LOG_DIRECTORY is not set")
        return LogRoot(Path(directory))


def _events(root: LogRoot, name: str, lines: int, level: str | None, last: str | None) -> Iterator[str]:
    """Open what is followed now, so that what is wrong is an error and no empty stream."""
    position = Position.parse(last) if last else None
    follower = Follower(root, name, level, position)
    try:
        first = [] if position else last_records(root, name, lines, level, follower.position)
    except BaseException:
        follower.close()
        raise
    return _stream(follower, [record_facts(record) for record in first])


def _stream(follower: Follower, first: list[dict[str, Any]]) -> Iterator[str]:
    end, spoke = time.monotonic() + _LONGEST_STREAM, time.monotonic()
    try:
        yield "retry: 2000\n\n"
        for facts in first:
            yield _event(str(follower.position), facts)
        while time.monotonic() < end:
            for position, record in follower.poll():
                yield _event(str(position), record_facts(record))
                spoke = time.monotonic()
            if time.monotonic() - spoke > HEARTBEAT:
                yield ": heartbeat\n\n"
                spoke = time.monotonic()
            time.sleep(_EVERY)
    finally:
        follower.close()


def _event(identity: str, facts: dict[str, Any]) -> str:
    return f"id: {identity}\ndata: {_json(facts)}\n\n"


def _once(release: Callable[[], None]) -> Callable[[], None]:
    """A response may be closed more than once."""
    done: list[bool] = []

    def call() -> None:
        if not done:
            done.append(True)
            release()

    return call


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    response = Response(_json(body), status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _json(body: dict[str, Any]) -> str:
    """ASCII alone, and nothing that a page would take for markup."""
    return json.dumps(body).translate(_HTML)
