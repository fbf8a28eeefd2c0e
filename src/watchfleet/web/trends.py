"""The blueprint of `/api/metrics/trend`: where a metric is going, as `watchfleet metrics trend --json`."""

import json
import math
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request

from watchfleet.clock import parse_duration, utcnow
from watchfleet.db.engine import transaction
from watchfleet.errors import StoreUnavailableError, WatchfleetError
from watchfleet.metrics.trends.answer import facts
from watchfleet.metrics.trends.store import Question, trends
from watchfleet.web.access import refusal

api = Blueprint("trends", __name__)


class _BadRequestError(WatchfleetError):
    """A parameter is not as it should be."""


@api.get("/api/metrics/trend")
def trend() -> Response:
    """The trend of the series that `name` and `labels` (JSON) choose, over `since`, by default 30 days.

    `horizon` tells how far to forecast, by default 24 h, and `until` a threshold to ask for.
    """
    refused = refusal()
    if refused is not None:
        return refused
    try:
        question = _question()
        with transaction() as connection:
            found = trends(connection, question, utcnow())
    except _BadRequestError as error:
        return _answer({"error": str(error)}, 400)
    except StoreUnavailableError:
        return _answer({"error": "the store does not answer"}, 503)
    return _answer(facts(question, found), 200 if found.series else 404)


def _question() -> Question:
    name = request.args.get("name", "")
    if not name:
        raise _BadRequestError("name: give the metric's name")
    limit = request.args.get("until")
    return Question(
        name,
        _labels(request.args.get("labels", "{}")),
        _duration("since", "30d"),
        _duration("horizon", "24h"),
        None if limit is None else _number("until", limit),
    )


def _labels(given: str) -> dict[str, str]:
    try:
        labels = json.loads(given)
    except ValueError:
        labels = None
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise _BadRequestError('labels: give a JSON object of strings, such as {"host": "web1"}')
    return labels


def _duration(parameter: str, default: str) -> timedelta:
    try:
        found = parse_duration(request.args.get(parameter, default))
    except ValueError as error:
        raise _BadRequestError(f"{parameter}: {error}") from error
    if not found:
        raise _BadRequestError(f"{parameter}: must be more than 0; write it like 12h or 30d")
    return found


def _number(parameter: str, given: str) -> float:
    try:
        found = float(given)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise _BadRequestError(f"{parameter}: {given!r} is not a number")
    return found


def _answer(body: dict[str, Any], status: int) -> Response:
    response = Response(json.dumps(body), status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
