"""A metric over time, for programs and charts: which tier to read, and an aggregate of each bucket."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Connection, text

from watchfleet.errors import WatchfleetError
from watchfleet.metrics import aggregate, marks, read, rollup_rows, sketch
from watchfleet.metrics.names import is_storable
from watchfleet.metrics.read import TooMuchError
from watchfleet.metrics.rollup_rows import Extent
from watchfleet.metrics.tiers import TIERS, Tier
from watchfleet.model import Kind

MOST_SERIES: Final = 1000
MOST_POINTS: Final = 200_000
MOST_BUCKETS: Final = 1500
"""Points of a series that a tier which is picked may have: more than a chart has pixels are no use."""

RAW: Final = "raw"
SHORT: Final = timedelta(minutes=30)
"""A shorter time is read from the samples, if nothing else is asked for."""

_STEP: Final = (
    "CASE WHEN first_value >= lag(last_value) OVER before THEN first_value - lag(last_value) OVER before"
    " WHEN lag(last_value) OVER before IS NULL THEN 0 ELSE first_value END"
)
_INCREASE: Final = {Kind.COUNTER: f"increase + {_STEP}", Kind.EVENT: "sum"}
_EXPRESSIONS: Final = {
    "count": "n",
    "sum": "sum",
    "avg": "sum / n",
    "min": "min",
    "max": "max",
    "first": "first_value",
    "last": "last_value",
    "stddev": "sqrt(greatest(m2, 0) / n)",
    **{name: name for name in aggregate.QUANTILES},
}
AGGREGATES: Final = (*_EXPRESSIONS, "increase", "rate")
_USUAL: Final = {Kind.GAUGE: "avg", Kind.DURATION: "avg", Kind.EVENT: "sum", Kind.COUNTER: "rate"}


class QueryError(WatchfleetError):
    """The question cannot be answered as it is put."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        name: The metric's name.
        matchers: Labels that a series must have, each with exactly this value; an empty value asks for
            series without the label.
        start: The first instant.
        end: The end; buckets that begin before it count.
        tier: `raw` for samples, or a tier's label; None for whichever fits.
        agg: One of `AGGREGATES`, or `p` with a percentage; None for what the metric's kind suggests.
    """

    name: str
    matchers: Mapping[str, str]
    start: datetime
    end: datetime
    tier: str | None = None
    agg: str | None = None


class Series(NamedTuple):
    """One series: its labels, and Unix seconds and value of each point."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Result:
    """What was found.

    Attributes:
        kind: What the metric's values mean.
        tier: Where the points were read.
        agg: What they are; empty for samples.
        pending: Buckets of the range that are not up to date yet.
        series: Each series that has points.
    """

    kind: Kind
    tier: str
    agg: str
    pending: int
    series: list[Series]


def query(connection: Connection, question: Question, now: datetime) -> Result | None:
    """Answer a question; None if there is no such metric.

    Raises:
        QueryError: The tier or the aggregate does not exist, or makes no sense for the metric.
        TooMuchError: It is about more than 1,000 series or 200,000 points.
    """
    if not is_storable(question.name):
        return None
    kind = connection.scalar(text("SELECT kind FROM metric WHERE name = :name"), {"name": question.name})
    if kind is None:
        return None
    labels = read.series(connection, question.name, question.matchers)
    if len(labels) > MOST_SERIES:
        raise TooMuchError(f"{len(labels)} series match, {MOST_SERIES} are answered; narrow them by labels")
    tier = _tier(question, now)
    if tier is None:
        if question.agg:
            raise QueryError("samples are not aggregated: leave out agg, or ask for another tier")
        return Result(Kind(kind), RAW, "", 0, _samples(connection, question, labels))
    agg = question.agg or _USUAL[Kind(kind)]
    points = _points(connection, question, tier, (agg, Kind(kind)), list(labels))
    pending = _pending(connection, question, tier)
    return Result(Kind(kind), tier.label, agg, pending, _grouped(points, labels))


def pick(start: datetime, end: datetime, now: datetime) -> Tier:
    """The finest tier that still has the start and does not give more points than are of use."""
    for tier in TIERS:
        kept = tier.table.retention
        if (kept is None or start >= now - kept) and _buckets(start, end, tier) <= MOST_BUCKETS:
            return tier
    return TIERS[-1]


def quantile(agg: str) -> float | None:
    """The quantile that an aggregate such as `p97.5` names; None if it names none."""
    digits = agg.removeprefix("p")
    if not agg.startswith("p") or not digits.replace(".", "", 1).isdecimal() or not digits.isascii():
        return None
    found = float(digits) / 100
    return found if 0 <= found <= 1 else None


def _tier(question: Question, now: datetime) -> Tier | None:
    if question.tier == RAW or (
        question.tier is None and question.agg is None and question.end - question.start <= SHORT
    ):
        return None
    if question.tier is None:
        return pick(question.start, question.end, now)
    for tier in TIERS:
        if tier.label == question.tier:
            return tier
    names = ", ".join([RAW, *(tier.label for tier in TIERS)])
    raise QueryError(f"there is no tier {question.tier!r}; there are {names}")


def _buckets(start: datetime, end: datetime, tier: Tier) -> float:
    return (end - start) / timedelta(microseconds=tier.width)


def _points(
    connection: Connection, question: Question, tier: Tier, wanted: tuple[str, Kind], ids: list[int]
) -> list[Any]:
    if not ids:
        return []
    agg, kind = wanted
    values = {"ids": ids, "start": question.start, "end": question.end, "most": MOST_POINTS + 1}
    q = quantile(agg)
    if q is not None and agg not in aggregate.QUANTILES:
        _check_size(connection, tier, values)
        return _quantiles(connection, question, tier, q, ids)
    rows = connection.execute(
        text(
            f"SELECT * FROM (SELECT series_id, bucket, {_expression(agg, kind, tier)} AS value"  # noqa: S608 - expressions of ours
            f" FROM {tier.table.table} WHERE series_id = ANY(:ids) AND bucket >= :before AND bucket < :end"
            " WINDOW before AS (PARTITION BY series_id ORDER BY bucket)) AS found"
            " WHERE bucket >= :start ORDER BY series_id, bucket LIMIT :most"
        ),
        # The bucket before the first one tells from where a counter went on.
        values | {"before": question.start - timedelta(microseconds=tier.width)},
    ).all()
    if len(rows) > MOST_POINTS:
        raise _too_many()
    return [(series, bucket.timestamp(), value) for series, bucket, value in rows]


def _expression(agg: str, kind: Kind, tier: Tier) -> str:
    if agg in _EXPRESSIONS:
        return _EXPRESSIONS[agg]
    if agg not in AGGREGATES:
        raise QueryError(
            f"there is no agg {agg!r}; there are {', '.join(AGGREGATES)} and any other p<percent>"
        )
    if kind not in _INCREASE:
        raise QueryError(f"{agg} is for counters and events; this metric is a {kind}")
    seconds = tier.width / 1e6
    return _INCREASE[kind] if agg == "increase" else f"({_INCREASE[kind]}) / {seconds}"


def _check_size(connection: Connection, tier: Tier, values: dict[str, Any]) -> None:
    where = "series_id = ANY(:ids) AND bucket >= :start AND bucket < :end"
    query = f"SELECT count(*) FROM (SELECT 1 FROM {tier.table.table} WHERE {where} LIMIT :most) AS found"  # noqa: S608 - a table of ours
    if connection.execute(text(query), values).scalar_one() > MOST_POINTS:
        raise _too_many()


def _quantiles(
    connection: Connection, question: Question, tier: Tier, q: float, ids: list[int]
) -> list[tuple[int, float, float]]:
    extent = Extent(marks.microseconds(question.start), marks.microseconds(question.end), ids)
    rows = rollup_rows.read(connection, tier.table.table, extent)
    if not len(rows):
        return []
    (found,) = sketch.quantiles(rows.cells, [q])
    columns = rows.columns
    return list(
        zip(columns["series_id"].tolist(), (columns["bucket"] / 1e6).tolist(), found.tolist(), strict=True)
    )


def _samples(
    connection: Connection, question: Question, labels: Mapping[int, dict[str, str]]
) -> list[Series]:
    rows = connection.execute(
        text(
            "SELECT series_id, extract(epoch FROM ts)::float8, value FROM samples"  # noqa: S608 - the condition is ours
            f" WHERE series_id = ANY(:ids) AND ts >= :start AND ts < :end AND {read.NO_MARKER}"
            " ORDER BY series_id, ts, value LIMIT :most"
        ),
        {"ids": list(labels), "start": question.start, "end": question.end, "most": MOST_POINTS + 1},
    ).all()
    if len(rows) > MOST_POINTS:
        raise _too_many()
    return _grouped(rows, labels)


def _grouped(points: Iterable[Any], labels: Mapping[int, dict[str, str]]) -> list[Series]:
    found: dict[int, Series] = {}
    for series, at, value in points:
        found.setdefault(series, Series(labels[series], [])).points.append((at, value))
    return sorted(found.values(), key=lambda one: sorted(one.labels.items()))


def _pending(connection: Connection, question: Question, tier: Tier) -> int:
    """Buckets with marks, of this tier or of one that it is computed from."""
    slices = connection.scalars(
        text(
            "SELECT DISTINCT slice FROM dirty_slice WHERE tier <= :tier AND slice < :end AND slice >= :start"
        ),
        {"tier": tier.position, "start": question.start, "end": question.end},
    )
    times = np.array([marks.microseconds(at) for at in slices], np.int64)
    return len(np.unique(tier.buckets(times))) if len(times) else 0


def _too_many() -> TooMuchError:
    return TooMuchError(
        f"more than {MOST_POINTS} points; ask for a shorter time, a coarser tier or fewer series"
    )


def shown(value: float | None) -> float | str | None:
    """A value for JSON, which has no numbers for what is not finite."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
