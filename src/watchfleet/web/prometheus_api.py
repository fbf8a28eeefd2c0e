"""The blueprint of `/api/v1/...`: Prometheus's HTTP API for reading, which Grafana and others speak."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from threading import BoundedSemaphore
from typing import Any, Final

import psycopg2
from flask import Blueprint, Response
from psycopg2.errorcodes import QUERY_CANCELED
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from werkzeug.exceptions import RequestEntityTooLarge

from watchfleet import __version__, promql
from watchfleet.clock import utcnow
from watchfleet.db.engine import is_outage, transaction
from watchfleet.errors import StoreUnavailableError
from watchfleet.promql import listing
from watchfleet.promql.answer import facts
from watchfleet.promql.catalogue import metrics
from watchfleet.promql.labels import NAME, Labels
from watchfleet.promql.store import StoreSeries
from watchfleet.rules.library import get_library
from watchfleet.web import prometheus_alerts
from watchfleet.web import prometheus_parameters as parameters
from watchfleet.web.access import refusal
from watchfleet.web.prometheus_parameters import ApiError

api = Blueprint("prometheus", __name__, url_prefix="/api/v1")

AT_ONCE: Final = 4
"""Queries that are worked on at the same time: each may hold many samples."""
LIMITS: Final = promql.Limits(samples=5_000_000, series=100_000)
SPEAKS: Final = "3.14.0"
"""The Prometheus whose API this is: clients choose by it what they ask for."""
_STATUS: Final = {"bad_data": 400, "execution": 422, "timeout": 503, "unavailable": 503}
_TYPES: Final = {"counter": "counter", "gauge": "gauge"}
_TRUNCATED: Final = "results truncated due to limit"
_BOTH: Final = ["GET", "POST"]

_EXPECTED: Final = (
    ApiError,
    RequestEntityTooLarge,
    StoreUnavailableError,
    NoConnectionError,
    DBAPIError,
    psycopg2.Error,  # what COPY raises
)

_working = BoundedSemaphore(AT_ONCE)

Answer = tuple[Any, Sequence[str], Sequence[str]]
"""The data, the warnings and the infos of an answer."""


def _answers(view: Callable[..., Answer]) -> Callable[..., Response]:
    """A view in Prometheus's envelope, for those who may."""

    @wraps(view)
    def enveloped(**arguments: str) -> Response:
        refused = refusal()
        if refused is not None:
            return refused
        try:
            data, warnings, infos = view(**arguments)
        except _EXPECTED as error:
            return _failure(_described(error))
        body = {"status": "success", "data": data}
        body |= {name: notes for name, notes in (("warnings", warnings), ("infos", infos)) if notes}
        return _envelope(body, 200)

    return enveloped


@api.route("/query", methods=_BOTH)
@_answers
def query() -> Answer:
    """The value of `query` at `time`, by default now."""
    expression, at = parameters.expression(), parameters.instant("time", utcnow())
    return _evaluated(lambda source, **costs: promql.instant(source, expression, at, **costs))


@api.route("/query_range", methods=_BOTH)
@_answers
def query_range() -> Answer:
    """The values of `query` from `start` to `end`, every `step`."""
    start, end = parameters.instant("start"), parameters.instant("end")
    if end < start:
        raise parameters.bad("end", "end timestamp must not be before start time")
    step = parameters.duration("step")
    if step < timedelta(milliseconds=1):
        cause = "zero or negative query resolution step widths are not accepted. Try a positive integer"
        raise parameters.bad("step", cause)
    if (end - start) / step > LIMITS.steps:
        raise ApiError(
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries."
            " Try decreasing the query resolution (?step=XX)",
        )
    expression = parameters.expression()
    if expression.type not in {"scalar", "vector"}:
        cause = "invalid expression type for a range query, must be Scalar or instant Vector"
        raise parameters.bad("query", cause)
    return _evaluated(lambda source, **costs: promql.range_(source, expression, start, end, step, **costs))


@api.route("/format_query", methods=_BOTH)
@_answers
def format_query() -> Answer:
    """`query`, formatted for people."""
    return parameters.expression().pretty(), (), ()


@api.route("/series", methods=_BOTH)
@_answers
def series() -> Answer:
    """The label sets of the series that any `match[]` selects."""
    if not parameters.selectors():
        raise ApiError("bad_data", "no match[] parameter provided")
    return _limited([dict(labels) for labels in _series()])


@api.route("/labels", methods=_BOTH)
@_answers
def labels() -> Answer:
    """The names of labels."""
    return _limited(listing.names(_series()))


@api.get("/label/<path:name>/values")
@_answers
def label_values(name: str) -> Answer:
    """The values of a label."""
    if name == NAME and not parameters.selectors() and parameters.during() == listing.During():
        with _reading() as connection:
            return _limited(list(metrics(connection)))
    return _limited(listing.values(_series(), name))


@api.get("/metadata")
@_answers
def metadata() -> Answer:
    """What the values of each metric mean."""
    wanted, most = parameters.parameter("metric"), parameters.whole("limit", 0)
    with _reading() as connection:
        kinds = metrics(connection)
    chosen = [name for name in kinds if not wanted or name == wanted]
    found = {name: [_meaning(kinds[name])] for name in chosen[: most or None]}
    return found, (), ()


@api.get("/rules")
@_answers
def rules() -> Answer:
    """The alert rules and recording rules, each alert rule with its alerts."""
    wanted = parameters.wanted_rules()
    with _reading() as connection:
        found = prometheus_alerts.groups(connection, get_library(), utcnow(), wanted)
    return {"groups": found}, (), ()


@api.get("/alerts")
@_answers
def alerts() -> Answer:
    """The alerts that are pending or fire."""
    with _reading() as connection:
        return {"alerts": prometheus_alerts.alerts(connection)}, (), ()


@api.get("/status/buildinfo")
@_answers
def buildinfo() -> Answer:
    """Which Prometheus this answers like, and what it is."""
    blank = dict.fromkeys(("branch", "buildUser", "buildDate", "goVersion"), "")
    return {"application": "watchfleet", "version": SPEAKS, "revision": __version__, **blank}, (), ()


def _evaluated(evaluate: Callable[..., promql.Value]) -> Answer:
    limits = replace(LIMITS, seconds=_patience())
    default = promql.Options().lookback
    options = promql.Options(lookback=parameters.duration("lookback_delta", default) or default)
    most = parameters.whole("limit", 0)
    with _reading(limits.seconds) as connection:
        try:
            value = evaluate(StoreSeries(connection, limits), limits=limits, options=options)
        except promql.QueryError as error:
            raise _unanswered(error) from error
    found, cut = _truncated(facts(value), most)
    return found, (*value.warnings, *cut), value.infos


def _unanswered(error: promql.QueryError) -> ApiError:
    return ApiError("timeout" if isinstance(error, promql.QueryTimeoutError) else "execution", str(error))


def _patience() -> float:
    asked = parameters.duration("timeout", timedelta(seconds=LIMITS.seconds)).total_seconds()
    return min(max(asked, 0.0), LIMITS.seconds)


def _truncated(found: dict[str, Any], most: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    if not most or found["resultType"] not in {"vector", "matrix"} or len(found["result"]) <= most:
        return found, ()
    return {**found, "result": found["result"][:most]}, (_TRUNCATED,)


def _limited(found: list[Any]) -> Answer:
    most = parameters.whole("limit", 0)
    return (found[:most], (_TRUNCATED,), ()) if most and len(found) > most else (found, (), ())


def _series() -> list[Labels]:
    selectors, during = parameters.selectors(), parameters.during()
    with _reading() as connection:
        try:
            return listing.series(connection, selectors, during, utcnow(), LIMITS.series)
        except promql.QueryError as error:
            raise _unanswered(error) from error


@contextmanager
def _reading(seconds: float = LIMITS.seconds) -> Iterator[Connection]:
    """A transaction that writes nothing and takes no longer than it may, when it is this request's turn."""
    if not _working.acquire(timeout=seconds):
        raise ApiError("timeout", "query timed out: too many queries are worked on")
    try:
        with transaction() as connection:
            connection.execute(text("SET TRANSACTION READ ONLY"))
            connection.execute(
                text("SELECT set_config('statement_timeout', :most, true)"),
                {"most": str(round(LIMITS.seconds * 1000))},
            )
            yield connection
    finally:
        _working.release()


def _meaning(kind: str) -> Mapping[str, str]:
    return {"type": _TYPES.get(kind, "unknown"), "help": "", "unit": ""}


def _described(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestEntityTooLarge):
        return ApiError("bad_data", "the request is too large")
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg2.Error) and not is_outage(cause):
        if cause.pgcode != QUERY_CANCELED:
            raise error
        return ApiError("timeout", f"the store did not answer within {LIMITS.seconds:g} s")
    return ApiError("unavailable", "the store does not answer")


def _failure(error: ApiError) -> Response:
    body = {"status": "error", "errorType": error.kind, "error": error.cause}
    return _envelope(body, _STATUS[error.kind])


def _envelope(body: dict[str, Any], status: int) -> Response:
    response = Response(json.dumps(body, separators=(",", ":")), status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
