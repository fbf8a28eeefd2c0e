"""The blueprint of `/api/metrics/trend`: where a metric is going, as `watchfleet metrics trend --json`."""

import math

from flask import Blueprint, request

from watchfleet.clock import utcnow
from watchfleet.metrics.trends.answer import facts
from watchfleet.metrics.trends.store import Question, trends
from watchfleet.web import parameters
from watchfleet.web.parameters import Answer, BadRequestError

api = Blueprint("trends", __name__)


@api.get("/api/metrics/trend")
@parameters.answers
def trend() -> Answer:
    """The trend of the series that `name` and `labels` (JSON) choose, over `since`, by default 30 days.

    `horizon` tells how far to forecast, by default 24 h, and `until` a threshold to ask for.
    """
    question = _question()
    with parameters.reading() as connection:
        found = trends(connection, question, utcnow())
    return Answer(facts(question, found), status=200 if found.series else 404)


def _question() -> Question:
    name = parameters.required("name", "give the metric's name")
    limit = request.args.get("until")
    return Question(
        name,
        parameters.labels(),
        parameters.duration("since", "30d"),
        parameters.duration("horizon", "24h"),
        None if limit is None else _number("until", limit),
    )


def _number(parameter: str, given: str) -> float:
    try:
        found = float(given)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise BadRequestError(f"{parameter}: {given!r} is not a number")
    return found
