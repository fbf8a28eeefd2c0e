"""The register of metrics and series in the store: look-up, and making new ones within the limits."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from watchfleet.db.locks import Lock, wait_lock
from watchfleet.metrics.names import Valid, fingerprint
from watchfleet.model import Kind
from watchfleet.settings import get_settings

log = logging.getLogger(__name__)

OTHER: Final = {"other": "true"}
"""The labels of the series that takes in what is over a metric's limit."""


class Known(NamedTuple):
    """A series that has a number.

    Attributes:
        id: The number.
        kind: What its values mean.
        overflowed: Whether it is the one for what is over its metric's limit.
    """

    id: int
    kind: Kind
    overflowed: bool

    @property
    def packed(self) -> int:
        """All three in one number, of which numpy makes arrays quickly."""
        return self.id << 4 | _KINDS.index(self.kind) << 1 | self.overflowed


def unpack(packed: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """The numbers, the positions of the kinds in `Kind`, and the marks of overflow in `Known.packed`."""
    return packed >> 4, packed >> 1 & KINDS - 1, (packed & 1).astype(bool)


_KINDS: Final = tuple(Kind)
KINDS: Final = 8
"""As many kinds have room in `Known.packed`."""

Answer = Known | str
"""A series, or the reason why there can be none."""

Found = dict[tuple[UUID, Kind], Answer]


def look_up(connection: Connection, wanted: Iterable[Valid]) -> Found:
    """The number of each series, by fingerprint and kind; made if it is new.

    Instead of a number there may be a reason: `kind_mismatch` (the metric is of another kind) or
    `metric_limit`.
    """
    distinct = {(one.fingerprint, one.kind): one for one in wanted}
    found = _existing(connection, distinct)
    missing = [one for key, one in distinct.items() if key not in found]
    if missing:
        found |= _create(connection.engine, missing)
    return found


def _existing(connection: Connection, wanted: Iterable[tuple[UUID, Kind]]) -> Found:
    asked: dict[UUID, list[Kind]] = defaultdict(list)
    for mark, kind in wanted:
        asked[mark].append(kind)
    rows = connection.execute(
        text(
            "SELECT fingerprint, id, series.kind, metric.kind AS metric_kind, labels FROM series"
            " JOIN metric USING (name) WHERE fingerprint = ANY(CAST(:marks AS uuid[]))"
        ),
        {"marks": [str(mark) for mark in asked]},
    )
    found: Found = {}
    for row in rows:
        known = Known(row.id, Kind(row.kind), row.labels == OTHER)
        for kind in asked[row.fingerprint]:
            found[row.fingerprint, kind] = known if kind == row.metric_kind else "kind_mismatch"
    return found


def _create(engine: Engine, missing: Sequence[Valid]) -> Found:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL lock_timeout = '30s'"))
        _create_metrics(connection, missing)
        metrics = _lock_metrics(connection, {one.name for one in missing})
        # Another process may have made them while this one waited.
        found = _existing(connection, [(one.fingerprint, one.kind) for one in missing])
        plan = _plan([one for one in missing if (one.fingerprint, one.kind) not in found], metrics)
        made = _insert(connection, [*plan.fresh, *plan.others.values()])
        _count(connection, plan)
    for name in plan.overflowed:
        log.warning(
            "%s has %d series, as many as it may (series_limit): others are counted together, as %s%s",
            name,
            get_settings().series_limit,
            name,
            '{other="true"}',
        )
    return found | plan.answers(made)


class _Metric(NamedTuple):
    kind: Kind
    series: int
    overflowed: bool


@dataclass(slots=True)
class _Plan:
    """Which series to make.

    Attributes:
        fresh: Those within their metric's limit.
        over: Those that are not.
        others: By metric, the series that takes those in.
        refused: Why the rest cannot be.
        overflowed: The metrics that reached their limit for the first time.
    """

    fresh: list[Valid]
    over: list[Valid]
    others: dict[str, Valid]
    refused: dict[tuple[UUID, Kind], str]
    overflowed: list[str]

    def answers(self, made: Mapping[UUID, int]) -> Found:
        found: Found = dict(self.refused)
        for one in self.fresh:
            found[one.fingerprint, one.kind] = Known(made[one.fingerprint], one.kind, overflowed=False)
        for one in self.over:
            other = self.others[one.name]
            found[one.fingerprint, one.kind] = Known(made[other.fingerprint], other.kind, overflowed=True)
        return found


def _plan(missing: Sequence[Valid], metrics: Mapping[str, _Metric]) -> _Plan:
    plan, limit = _Plan([], [], {}, {}, []), get_settings().series_limit
    room = {name: limit - metric.series for name, metric in metrics.items()}
    for one in missing:
        metric = metrics.get(one.name)
        if metric is None:
            plan.refused[one.fingerprint, one.kind] = "metric_limit"
        elif metric.kind is not one.kind:
            plan.refused[one.fingerprint, one.kind] = "kind_mismatch"
        elif room[one.name] > 0:
            room[one.name] -= 1
            plan.fresh.append(one)
        else:
            plan.over.append(one)
            plan.others[one.name] = _other(one)
    plan.overflowed = [name for name in plan.others if not metrics[name].overflowed]
    return plan


def _other(one: Valid) -> Valid:
    # Counters of several sources in one series would look like endless restarts: it is but a gauge.
    kind = Kind.GAUGE if one.kind is Kind.COUNTER else one.kind
    return Valid(one.name, OTHER, kind, fingerprint(one.name, OTHER))


def _create_metrics(connection: Connection, missing: Sequence[Valid]) -> None:
    kinds = {one.name: one.kind for one in reversed(missing)}
    known = set(
        connection.scalars(text("SELECT name FROM metric WHERE name = ANY(:names)"), {"names": list(kinds)})
    )
    new = sorted(kinds.keys() - known)
    if not new:
        return
    wait_lock(connection, Lock.METRICS)
    room = max(
        0, get_settings().metric_limit - connection.execute(text("SELECT count(*) FROM metric")).scalar_one()
    )
    if room < len(new):
        log.warning(
            "there are as many metrics as there may be (metric_limit): %d more are refused", len(new) - room
        )
    connection.execute(
        text(
            "INSERT INTO metric (name, kind)"
            " SELECT * FROM unnest(CAST(:names AS text[]), CAST(:kinds AS text[])) ON CONFLICT DO NOTHING"
        ),
        {"names": new[:room], "kinds": [str(kinds[name]) for name in new[:room]]},
    )


def _lock_metrics(connection: Connection, names: set[str]) -> dict[str, _Metric]:
    rows = connection.execute(
        text(
            "SELECT name, kind, series, overflowed_at FROM metric WHERE name = ANY(:names)"
            " ORDER BY name FOR UPDATE"  # in one order, so that no two wait for each other
        ),
        {"names": sorted(names)},
    )
    return {row.name: _Metric(Kind(row.kind), row.series, row.overflowed_at is not None) for row in rows}


def _insert(connection: Connection, fresh: Sequence[Valid]) -> dict[UUID, int]:
    if not fresh:
        return {}
    marks = [str(one.fingerprint) for one in fresh]
    connection.execute(
        text(
            "INSERT INTO series (fingerprint, name, labels, kind)"
            " SELECT mark, name, labels::jsonb, kind FROM unnest(CAST(:marks AS uuid[]),"
            " CAST(:names AS text[]), CAST(:labels AS text[]), CAST(:kinds AS text[]))"
            " AS fresh (mark, name, labels, kind) ON CONFLICT (fingerprint) DO NOTHING"
        ),
        {
            "marks": marks,
            "names": [one.name for one in fresh],
            "labels": [json.dumps(one.labels) for one in fresh],
            "kinds": [str(one.kind) for one in fresh],
        },
    )
    rows = connection.execute(
        text("SELECT fingerprint, id FROM series WHERE fingerprint = ANY(CAST(:marks AS uuid[]))"),
        {"marks": marks},
    )
    return {row.fingerprint: row.id for row in rows}


def _count(connection: Connection, plan: _Plan) -> None:
    added: dict[str, int] = defaultdict(int)
    for one in plan.fresh:
        added[one.name] += 1
    for name in sorted(added.keys() | set(plan.overflowed)):
        connection.execute(
            text(
                "UPDATE metric SET series = series + :added, overflowed_at ="
                " CASE WHEN :over THEN coalesce(overflowed_at, now()) ELSE overflowed_at END"
                " WHERE name = :name"
            ),
            {"added": added[name], "over": name in plan.overflowed, "name": name},
        )
