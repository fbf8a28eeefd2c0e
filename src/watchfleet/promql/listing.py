"""What is in the store: series, label names and values, for people and programs that choose among them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
from sqlalchemy import Connection, text

from watchfleet.promql.catalogue import Matched, Matchers, matching
from watchfleet.promql.labels import Labels
from watchfleet.promql.limits import DEFAULT_LIMITS
from watchfleet.promql.series import Ints

_RAW: Final = timedelta(minutes=30)
"""How much of a span's end is looked up among the samples: more than rollups are late when all is well."""
_FINE: Final = timedelta(hours=3)
"""How much of its end is looked up among the rollups of 5 minutes."""
_HOURLY: Final = timedelta(days=3)
"""How much of its end is looked up among the rollups of an hour; what is before it, among those of a day."""
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


class During(NamedTuple):
    """A span of time; None where it has no bound."""

    start: datetime | None = None
    end: datetime | None = None


def series(
    connection: Connection,
    selectors: Sequence[Matchers],
    during: During,
    now: datetime,
    most: int = DEFAULT_LIMITS.series,
) -> list[Labels]:
    """The series that fulfil any of the selectors and had samples in a span, sorted by their labels.

    Args:
        connection: An open transaction.
        selectors: Matchers each; none at all means every series.
        during: When. What is hours before its end is known by the hour, or by the day.
        now: The present; no span ends later.
        most: How many series each selector may look at.

    Raises:
        QueryLimitError: There are more.
    """
    found = [matching(connection, matchers, most) for matchers in selectors or [()]]
    return sorted(set(_with_samples(connection, found, during, now)))


def names(some: Iterable[Labels]) -> list[str]:
    """The names of the labels that some series have, sorted."""
    return sorted({name for labels in some for name, _ in labels})


def values(some: Iterable[Labels], label: str) -> list[str]:
    """The values that a label has in some series, sorted."""
    return sorted({value for labels in some for name, value in labels if name == label})


def _with_samples(
    connection: Connection, found: Sequence[Matched], during: During, now: datetime
) -> Iterable[Labels]:
    active = None if during == During() else _active(connection, during, now)
    for matched in found:
        if active is None:
            yield from matched.series.labels
        else:
            rows = np.flatnonzero(np.isin(matched.ids, active))
            yield from (matched.series.labels[row] for row in rows)


def _active(connection: Connection, during: During, now: datetime) -> Ints:
    """The series that had samples in a span."""
    start = max(during.start or _EARLIEST, _EARLIEST)
    end = max(min(during.end or now, now), _EARLIEST + _FINE)
    raw, fine, hourly = (max(start, end - back) for back in (_RAW, _FINE, _HOURLY))
    query = "SELECT series_id FROM samples WHERE ts >= :raw AND ts <= :end GROUP BY 1"
    query += " UNION SELECT series_id FROM rollup_5m WHERE bucket >= :fine AND bucket <= :end GROUP BY 1"
    query += " UNION SELECT series_id FROM rollup_1h WHERE bucket > :hour AND bucket <= :fine GROUP BY 1"
    times = {"raw": raw, "fine": fine, "hour": hourly - timedelta(hours=1), "end": end}
    if start < hourly:
        query += " UNION SELECT series_id FROM rollup_24h WHERE bucket > :day AND bucket <= :hour GROUP BY 1"
        times["day"] = start - timedelta(days=1)
    return np.array(list(connection.scalars(text(query), times)), np.int64)
