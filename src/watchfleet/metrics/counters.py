"""Counters of the whole fleet, kept in the store and exact: they change in the transaction that they count.

A row that every transaction updates would make each wait for the one before. So transactions append what
they add, and now and then one process folds that into the totals.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from watchfleet.db.locks import Lock, try_lock

INSERT: Final = (
    "INSERT INTO counter_delta (name, labels, value) SELECT name, labels::jsonb, value"
    " FROM unnest(CAST(:names AS text[]), CAST(:labels AS text[]), CAST(:values AS float8[]))"
    " AS added (name, labels, value)"
)
"""What appends `Tally.columns`."""
_FOLD = text(
    "WITH gone AS (DELETE FROM counter_delta RETURNING name, labels, value),"
    " added AS (SELECT name, labels, sum(value) AS value FROM gone GROUP BY name, labels)"
    " INSERT INTO counter AS total (name, labels, value) SELECT name, labels, value FROM added"
    " ON CONFLICT (name, labels) DO UPDATE SET value = total.value + excluded.value"
)
_TOTALS = text(
    "SELECT name, labels, sum(value) AS value FROM"
    " (SELECT name, labels, value FROM counter UNION ALL SELECT name, labels, value FROM counter_delta) AS u"
    " GROUP BY name, labels ORDER BY name, labels"
)


@dataclass(frozen=True, slots=True)
class Total:
    """One counter's value.

    Attributes:
        name: By Prometheus's rules, ending in `_total`.
        labels: Its labels.
        value: What was added to it since the store was made.
    """

    name: str
    labels: dict[str, str]
    value: float


class Tally:
    """What one transaction adds to counters; `save` writes it once, at its end."""

    def __init__(self) -> None:
        self._added: dict[tuple[str, str], float] = {}

    def add(self, name: str, value: float = 1, labels: Mapping[str, str] | None = None) -> None:
        """Add to a counter; adding zero does nothing."""
        if value:
            key = (name, json.dumps(dict(labels or {}), sort_keys=True))
            self._added[key] = self._added.get(key, 0) + value

    def save(self, connection: Connection) -> None:
        """Append what was added."""
        if not self._added:
            return
        connection.execute(text(INSERT), self.columns())

    def columns(self) -> dict[str, list[Any]]:
        """The parameters of `INSERT`."""
        return {
            "names": [name for name, _ in self._added],
            "labels": [labels for _, labels in self._added],
            "values": list(self._added.values()),
        }


def fold(connection: Connection) -> bool:
    """Add up what transactions appended; False when another process is at it."""
    if not try_lock(connection, Lock.COUNTERS):
        return False
    connection.execute(_FOLD)
    return True


def totals(connection: Connection) -> list[Total]:
    """Every counter, by name and labels."""
    return [Total(row.name, row.labels, row.value) for row in connection.execute(_TOTALS)]
