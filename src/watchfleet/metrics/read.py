"""Samples out of the store, as they came in."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from watchfleet.errors import WatchfleetError
from watchfleet.metrics.names import is_storable

MOST_SERIES: Final = 10_000
MOST_POINTS: Final = 1_000_000
NO_MARKER: Final = r"(value <> 'NaN' OR float8send(value) <> '\x7ff0000000000002')"
"""The SQL condition for samples that are no staleness markers.

psycopg2 reads every NaN as the same one, so the server must tell.
"""


class TooMuchError(WatchfleetError):
    """The query asks for more than is read at once."""


class SeriesPoints(NamedTuple):
    """The samples of one series.

    Attributes:
        labels: What tells the series from others of the metric.
        points: Instant and value of each sample, ordered by time.
    """

    labels: dict[str, str]
    points: list[tuple[datetime, float]]


def recent(
    connection: Connection, name: str, since: datetime, matchers: Mapping[str, str] | None = None
) -> list[SeriesPoints]:
    """The samples of a metric since an instant, in each series that has some; without staleness markers.

    Args:
        connection: Where to read.
        name: The metric's name.
        since: The earliest instant, inclusive.
        matchers: Labels that a series must have, each with exactly this value; an empty value asks for
            series without the label.

    Raises:
        TooMuchError: There are more than 10,000 such series or 1,000,000 such samples.
    """
    labels = series(connection, name, matchers or {})
    query = "SELECT series_id, ts, value FROM samples WHERE ts >= :since AND series_id = ANY(:ids)"
    query += f" AND {NO_MARKER}"
    return _grouped(connection, f"{query} ORDER BY series_id, ts, value LIMIT :most", since, labels)


def latest(
    connection: Connection, name: str, since: datetime, matchers: Mapping[str, str] | None = None
) -> list[SeriesPoints]:
    """The newest sample of each series of a metric that has one since an instant; otherwise as `recent`.

    A series that a staleness marker has ended has none.
    """
    labels = series(connection, name, matchers or {})
    query = "SELECT DISTINCT ON (series_id) series_id, ts, value FROM samples"
    query += (
        " WHERE ts >= :since AND series_id = ANY(:ids) ORDER BY series_id, ts DESC, value DESC LIMIT :most"
    )
    ended = f"SELECT * FROM ({query}) AS newest WHERE {NO_MARKER}"  # noqa: S608 - all of it is ours
    return _grouped(connection, ended, since, labels)


def series(connection: Connection, name: str, matchers: Mapping[str, str]) -> dict[int, dict[str, str]]:
    """The labels of each series of a metric that matches, by its number; otherwise as `recent`."""
    if not all(map(is_storable, (name, *matchers, *matchers.values()))):
        return {}  # PostgreSQL stores no such text, and takes none in a question either
    present = {label: value for label, value in matchers.items() if value}
    absent = [label for label, value in matchers.items() if not value]
    rows = connection.execute(
        text(
            "SELECT id, labels FROM series WHERE name = :name AND labels @> CAST(:present AS jsonb)"
            " AND NOT labels ?| CAST(:absent AS text[]) LIMIT :most"
        ),
        {"name": name, "present": _json(present), "absent": absent, "most": MOST_SERIES + 1},
    ).all()
    if len(rows) > MOST_SERIES:
        raise TooMuchError(f"{name}: more than {MOST_SERIES} series match; narrow them down by labels")
    return {row.id: row.labels for row in rows}


def _grouped(
    connection: Connection, query: str, since: datetime, labels: Mapping[int, dict[str, str]]
) -> list[SeriesPoints]:
    if not labels:
        return []
    values = {"since": since, "ids": list(labels), "most": MOST_POINTS + 1}
    rows = connection.execute(text(query), values).all()
    if len(rows) > MOST_POINTS:
        raise TooMuchError(f"more than {MOST_POINTS} samples match; ask for a shorter time")
    found: dict[int, SeriesPoints] = {}
    for series_id, ts, value in rows:
        one = found.setdefault(series_id, SeriesPoints(labels[series_id], []))
        one.points.append((ts.astimezone(UTC), value))
    return list(found.values())


def _json(value: Mapping[str, str]) -> str:
    return json.dumps(dict(value))
