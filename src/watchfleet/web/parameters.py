"""What the endpoints below `/api` have in common: their parameters, their errors, and JSON or CSV."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Final

from flask import Response, request
from psycopg2.errorcodes import QUERY_CANCELED
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from watchfleet.clock import parse_duration
from watchfleet.db.engine import transaction
from watchfleet.errors import StoreUnavailableError, WatchfleetError
from watchfleet.metrics.answer import as_csv
from watchfleet.metrics.read import TooMuchError
from watchfleet.web.access import refusal

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2999, 12, 31, tzinfo=UTC)
SECONDS: Final = 30
"""How long a request may work."""


class BadRequestError(WatchfleetError):
    """A parameter is not as it should be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered.

    Attributes:
        body: The JSON object.
        rows: The same as rows of a table, for CSV.
        status: The HTTP status.
    """

    body: dict[str, Any]
    rows: Sequence[Mapping[str, Any]] = field(default=())
    status: int = 200


def answers(view: Callable[..., Answer]) -> Callable[..., Response]:
    """A view for those who may, with its errors as JSON, each in words."""

    @wraps(view)
    def answered(**arguments: str) -> Response:
        refused = refusal()
        if refused is not None:
            return refused
        try:
            found = view(**arguments)
        except BadRequestError as error:
            found = _error(str(error), 400)
        except TooMuchError as error:
            found = _error(str(error), 422)
        except StoreUnavailableError:
            found = _error("the store does not answer", 503)
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) != QUERY_CANCELED:
                raise
            found = _error(f"this takes longer than {SECONDS} s; ask for less", 503)
        return _rendered(found)

    return answered


@contextmanager
def reading() -> Iterator[Connection]:
    """A transaction that writes nothing and takes no longer than it may."""
    with transaction() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(text(f"SET LOCAL statement_timeout = '{SECONDS}s'"))
        yield connection


def given(name: str) -> str | None:
    """A parameter as text; None if it is not given.

    Raises:
        BadRequestError: It holds a NUL character, which the store takes in no question.
    """
    found = request.args.get(name) or None
    if found and "\0" in found:
        raise BadRequestError(f"{name}: holds a NUL character")
    return found


def required(name: str, mend: str) -> str:
    """A parameter that must be given.

    Raises:
        BadRequestError: It is not; says `mend`.
    """
    found = request.args.get(name)
    if not found:
        raise BadRequestError(f"{name}: {mend}")
    return found


def labels() -> dict[str, str]:
    """The parameter `labels`.

    Raises:
        BadRequestError: It is no JSON object of strings.
    """
    try:
        found = json.loads(request.args.get("labels") or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise BadRequestError('labels: give a JSON object of strings, such as {"host": "web1"}')
    return found


def duration(name: str, default: str) -> timedelta:
    """A span of time that is not zero.

    Raises:
        BadRequestError: It is none.
    """
    try:
        found = parse_duration(given(name) or default)
    except ValueError as error:
        raise BadRequestError(f"{name}: {error}") from error
    if not found:
        raise BadRequestError(f"{name}: must be more than 0; write it like 12h or 30d")
    return found


def instant(name: str, default: str, now: datetime) -> datetime:
    """An instant: ISO 8601 with a time zone, Unix seconds, or how long ago, such as `2h`.

    Raises:
        BadRequestError: It is none of these.
    """
    asked = given(name) or default
    for read in (_ago, _unix, datetime.fromisoformat):
        try:
            found = read(asked)
        except (ValueError, OverflowError, OSError):
            continue
        at = now - found if isinstance(found, timedelta) else found
        if at.tzinfo is not None and EARLIEST <= at.astimezone(UTC) <= LATEST:
            return at.astimezone(UTC)
    raise BadRequestError(
        f"{name}: {asked!r} is no time; write it like 2026-11-23T12:00:00Z, 1795435200 or 2h"
    )


def _ago(text: str) -> timedelta:
    if text.replace(".", "", 1).isdigit():
        raise ValueError("Unix seconds, not a number of seconds ago")
    return parse_duration(text)


def _unix(text: str) -> datetime:
    return datetime.fromtimestamp(float(text), UTC)


def one_of(name: str, choices: Sequence[str], default: str) -> str:
    """A parameter of which there are only some values.

    Raises:
        BadRequestError: It has another.
    """
    found = given(name) or default
    if found not in choices:
        raise BadRequestError(f"{name}: {found!r} is not one of {', '.join(choices)}")
    return found


def limit(default: int, most: int) -> int:
    """How many rows are wanted.

    Raises:
        BadRequestError: It is no number from 1 to `most`.
    """
    found = given("limit") or str(default)
    if not (found.isascii() and found.isdigit() and len(found) < 10 and 0 < int(found) <= most):
        raise BadRequestError(f"limit: {found!r} is not a number from 1 to {most}")
    return int(found)


def cursor(columns: Sequence[str]) -> dict[str, str]:
    """The parameter `after`, by column; empty if it is not given.

    Raises:
        BadRequestError: It is not what an answer gave as `next`.
    """
    token = given("after")
    if token is None:
        return {}
    try:
        values = json.loads(urlsafe_b64decode(token.encode()))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or len(values) != len(columns) or not all(map(_is_text, values)):
        raise BadRequestError("after: give what the answer before said as `next`")
    return dict(zip(columns, values, strict=True))


def next_cursor(values: Sequence[str]) -> str:
    """What `cursor` reads."""
    return urlsafe_b64encode(json.dumps(list(values), separators=(",", ":")).encode()).decode()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _error(words: str, status: int) -> Answer:
    return Answer({"error": words}, status=status)


def _rendered(found: Answer) -> Response:
    if found.status == 200 and _wants_csv():
        response = Response(as_csv(found.rows), mimetype="text/csv")
        if found.body.get("next"):
            response.headers["X-Next"] = found.body["next"]
    else:
        response = Response(json.dumps(found.body), found.status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _wants_csv() -> bool:
    asked = request.args.get("format")
    if asked is not None:
        return asked == "csv"
    return request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv"
