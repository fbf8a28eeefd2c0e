"""The blueprint of `/api/metrics` and `/api/metrics/query`: which metrics there are, and their values."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from flask import Blueprint
from sqlalchemy import text

from watchfleet.clock import utcnow
from watchfleet.metrics import query as values
from watchfleet.metrics.query import QueryError, Question, Result
from watchfleet.metrics.tiers import TIERS
from watchfleet.model import Kind
from watchfleet.web import parameters
from watchfleet.web.parameters import Answer, BadRequestError

api = Blueprint("metrics_api", __name__)

PAGE: Final = 1000
MOST: Final = 10_000
_WIDTHS: Final = {tier.label: tier.width / 1e6 for tier in TIERS}


@api.get("/api/metrics")
@parameters.answers
def listing() -> Answer:
    """The metrics, by name: of which kind, and how many series each has.

    `match` chooses those whose name holds a text, `kind` those of a kind.
    """
    kinds = [str(kind) for kind in Kind]
    kind = parameters.one_of("kind", [*kinds, "any"], "any")
    most, after = parameters.limit(PAGE, MOST), parameters.cursor(("name",))
    with parameters.reading() as connection:
        rows = connection.execute(
            text(
                "SELECT name, kind, series, overflowed_at IS NOT NULL AS overflowed FROM metric"
                " WHERE strpos(name, :match) > 0 AND (:kind = 'any' OR kind = :kind) AND name > :after"
                " ORDER BY name LIMIT :most"
            ),
            {
                "match": parameters.given("match") or "",
                "kind": kind,
                "after": after.get("name", ""),
                "most": most,
            },
        ).mappings()
        found = [dict(row) for row in rows]
    more = parameters.next_cursor([found[-1]["name"]]) if len(found) == most else None
    return Answer({"metrics": found, "next": more}, found)


@api.get("/api/metrics/query")
@parameters.answers
def query() -> Answer:
    """The values of the metric `name` from `from` (by default an hour ago) to `to`.

    `labels` (JSON) narrows the series down, `tier` is `raw`, `5m`, `15m`, `1h` or `24h`, `agg` says what of
    each bucket is wanted; both are picked when they are not given.
    """
    now = utcnow()
    question = Question(
        parameters.required("name", "give the metric's name"),
        parameters.labels(),
        parameters.instant("from", "1h", now),
        parameters.instant("to", "0s", now),
        parameters.given("tier"),
        parameters.given("agg"),
    )
    if question.end <= question.start:
        raise BadRequestError("to: must be after from")
    try:
        with parameters.reading() as connection:
            found = values.query(connection, question, now)
    except QueryError as error:
        raise BadRequestError(str(error)) from error
    if found is None:
        return Answer({"error": f"there is no metric {question.name}"}, status=404)
    return Answer(_facts(question, found), _rows(found))


def _facts(question: Question, found: Result) -> dict[str, Any]:
    return {
        "name": question.name,
        "kind": str(found.kind),
        "from": question.start.isoformat(),
        "to": question.end.isoformat(),
        "tier": found.tier,
        "width_seconds": _WIDTHS.get(found.tier),
        "agg": found.agg or None,
        "pending": found.pending,
        "series": [
            {
                "labels": series.labels,
                "points": [[at, values.shown(value)] for at, value in series.points],
            }
            for series in found.series
        ],
    }


def _rows(found: Result) -> list[dict[str, Any]]:
    return [
        {
            "time": datetime.fromtimestamp(at, UTC).isoformat(),
            "labels": json.dumps(series.labels, sort_keys=True),
            "value": values.shown(value),
        }
        for series in found.series
        for at, value in series.points
    ]
