"""Trends of series in the store.

A short window is read from the samples, a longer one from the rollups that still hold it. What a point is
goes by the series' kind: a gauge's or a duration's mean, a counter's increase per second, an event's total
per second (with zeros where nothing happened).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Connection, text

from watchfleet.metrics.trends.compare import WEEKS
from watchfleet.metrics.trends.report import Trend, describe
from watchfleet.metrics.trends.series import Floats
from watchfleet.model import Kind

MOST_SERIES: Final = 10
"""Series of a metric that are told of; labels narrow them down."""
MOST_POINTS: Final = 500_000
SAMPLED: Final = 60
"""Seconds over which an event's samples are added up."""
SHORT: Final = timedelta(hours=6)
FINE: Final = timedelta(days=30)
"""As long as the 5-minute tier is kept by default."""
LONGEST: Final = timedelta(days=400)

_SERIES: Final = text(
    "SELECT id, labels, kind FROM series WHERE name = :name AND labels @> CAST(:present AS jsonb)"
    " AND NOT labels ?| CAST(:absent AS text[]) ORDER BY labels::text, id"
)


_Series = tuple[Floats, Floats]


class Points(NamedTuple):
    """Where points of series come from.

    Attributes:
        label: What to call it.
        width: Seconds that a point stands for; 0 for samples.
        query: Gives series, Unix seconds, and value by kind.
    """

    label: str
    width: int
    query: str


def _rollup(label: str, table: str, width: int) -> Points:
    rate = "increase / NULLIF(extract(epoch FROM last_ts - first_ts), 0)"
    value = f"CASE kind WHEN 'counter' THEN {rate} WHEN 'event' THEN sum / {width} ELSE sum / n END"
    columns = f"series_id, CAST(extract(epoch FROM bucket) AS float8), {value}"
    where = "series_id = ANY(:ids) AND bucket >= :since AND bucket < :until"
    query = f"SELECT {columns} FROM {table} JOIN series ON id = series_id WHERE {where}"  # noqa: S608 - all ours
    return Points(label, width, f"{query} ORDER BY 1, 2 LIMIT :most")


SAMPLES: Final = Points(
    "samples",
    0,
    "SELECT series_id, CAST(extract(epoch FROM ts) AS float8), value FROM samples"
    " WHERE series_id = ANY(:ids) AND ts >= :since AND ts < :until ORDER BY 1, 2 LIMIT :most",
)
MINUTES: Final = _rollup("5m", "rollup_5m", 300)
HOURS: Final = _rollup("1h", "rollup_1h", 3600)


@dataclass(frozen=True, slots=True)
class SeriesTrend:
    """The trend of one series of a metric.

    Attributes:
        labels: What tells it from the others.
        kind: What its samples mean.
        unit: What a point is: `value`, or `per second` for counters and events.
        source: Where the points were read: `samples`, or a tier.
        trend: What was found.
    """

    labels: dict[str, str]
    kind: Kind
    unit: str
    source: str
    trend: Trend


@dataclass(frozen=True, slots=True)
class Found:
    """The trends of a metric's series.

    Attributes:
        series: The first ten, in the order of their labels.
        left_off: How many more there are.
    """

    series: tuple[SeriesTrend, ...]
    left_off: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about a metric.

    Attributes:
        name: Its name.
        matchers: Labels that a series must have, each with exactly this value; an empty value asks for series
            without the label.
        window: How far back to look; at most 400 days are.
        horizon: How far ahead to forecast.
        limit: The threshold to ask for, if any.
    """

    name: str
    matchers: Mapping[str, str]
    window: timedelta
    horizon: timedelta = timedelta(days=1)
    limit: float | None = None


def trends(connection: Connection, question: Question, now: datetime) -> Found:
    """The trend of each series of a metric that matches."""
    if "\0" in "".join((question.name, *question.matchers, *question.matchers.values())):
        return Found(())  # PostgreSQL stores no NUL, and takes none in a question either
    question = replace(question, window=min(question.window, LONGEST))
    rows = connection.execute(_SERIES, _parameters(question)).all()
    chosen = {row.id: row for row in rows[:MOST_SERIES]}
    points = _read(connection, _source(question.window), chosen, now - question.window, now)
    further = max(2 * question.window, timedelta(weeks=WEEKS, hours=1))
    past = _read(connection, _source(further), chosen, now - further, now)
    found = [_trend(row, points[row.id], past[row.id], question, now) for row in chosen.values()]
    return Found(tuple(found), len(rows) - len(chosen))


def _parameters(question: Question) -> dict[str, Any]:
    present = {label: value for label, value in question.matchers.items() if value}
    absent = [label for label, value in question.matchers.items() if not value]
    return {"name": question.name, "present": json.dumps(present), "absent": absent}


def _source(window: timedelta) -> Points:
    if window <= SHORT:
        return SAMPLES
    return MINUTES if window <= FINE else HOURS


def _read(
    connection: Connection, source: Points, series: Mapping[int, Any], since: datetime, until: datetime
) -> dict[int, _Series]:
    """The points of each series; of those over the cap the rest is left out."""
    values = {"ids": list(series), "since": since, "until": until, "most": MOST_POINTS}
    rows = connection.execute(text(source.query), values).all() if series else []
    table = np.array([tuple(row) for row in rows], np.float64).reshape(len(rows), 3)
    found = {}
    for number, row in series.items():
        own = table[table[:, 0] == number]
        found[number] = _as_kind(Kind(row.kind), source, (own[:, 1], own[:, 2]), until.timestamp())
    return found


def _as_kind(kind: Kind, source: Points, points: _Series, until: float) -> _Series:
    if kind is Kind.COUNTER and not source.width:
        return _rates(*points)
    if kind is Kind.EVENT and len(points[0]):
        return _totals(points, source.width, until)
    return points


def _rates(times: Floats, values: Floats) -> _Series:
    """A counter's increase per second from sample to sample; after a reset it has counted from zero."""
    spans, rises = np.diff(times), np.diff(values)
    apart = spans > 0
    rises = np.where(rises >= 0, rises, values[1:])
    return times[1:][apart], rises[apart] / spans[apart]


def _totals(points: _Series, width: int, until: float) -> _Series:
    """An event's total per second in each stretch that is over, also where nothing happened."""
    times, values = points
    values = values if width else values / SAMPLED
    width = width or SAMPLED
    place = np.floor_divide(times, width).astype(np.int64)
    over = max(0, int(until // width) - int(place[0]))
    totals = np.bincount(place - place[0], values, over).astype(np.float64)[:over]
    return (place[0] + np.arange(over)) * float(width), totals


def _trend(row: Any, points: _Series, past: _Series, question: Question, now: datetime) -> SeriesTrend:
    window = ((now - question.window).timestamp(), now.timestamp())
    horizon = question.horizon.total_seconds()
    trend = describe(*points, window, past, horizon=horizon, limit=question.limit)
    kind = Kind(row.kind)
    unit = "per second" if kind in {Kind.COUNTER, Kind.EVENT} else "value"
    return SeriesTrend(row.labels, kind, unit, _source(question.window).label, trend)
