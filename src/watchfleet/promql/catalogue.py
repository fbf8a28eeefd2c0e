"""Which series of the store a selector means.

PostgreSQL compares names and labels for equality; what remains (`!=`, regular expressions) is decided here by
RE2, so that no pattern can hang the server. Each look-up asks for the series' numbers only: labels never
change, and a process remembers those that it has read.

Series are made and never deleted, so the newest number tells whether there are new ones; only what was being
made when that number was first seen may still come in beneath it. Once all of that is through, a set of
series that was looked up stays right until there is a newer one, and a thousand rules ask once.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from threading import Lock as Mutex
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Connection, Engine, text

from watchfleet.db.copy import Layout, copy_out
from watchfleet.metrics.names import is_storable
from watchfleet.promql.errors import QueryLimitError
from watchfleet.promql.labels import NAME, Labels, labels_of
from watchfleet.promql.matchers import Matcher
from watchfleet.promql.series import Ints, SeriesSet
from watchfleet.promql.source import matches

REMEMBERED_LABELS: Final = 500_000
REMEMBERED_SETS: Final = 4096

Matchers = tuple[Matcher, ...]
_IDS: Final = Layout([("id", "i4")])
_LOOK: Final = text(
    "SELECT coalesce((SELECT max(id) FROM series), 0), pg_snapshot_xmin(now)::text::bigint,"
    " pg_snapshot_xmax(now)::text::bigint FROM pg_current_snapshot() AS now"
)
_versions: Final = count()


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """The series that fulfil some matchers.

    Attributes:
        ids: Their numbers, rising.
        series: Their labels, in the same order.
    """

    ids: Ints
    series: SeriesSet


@dataclass(slots=True)
class _Memory:
    """What this process has read of one store.

    Attributes:
        labels: The labels of each series, by its number.
        sets: For some matchers the version at which they were looked up, the candidates that PostgreSQL gave,
            and which of them match.
        newest: The number of the newest series.
        seen_at: The transaction that was the next to begin when it was first seen.
        version: Names the present set of all series; None while one may still come in beneath the newest.
    """

    labels: dict[int, Labels] = field(default_factory=dict)
    sets: dict[Matchers, tuple[int | None, Ints, Matched]] = field(default_factory=dict)
    newest: int = -1
    seen_at: int = 0
    version: int | None = None
    mutex: Any = field(default_factory=Mutex)


_memories: "WeakKeyDictionary[Engine, _Memory]" = WeakKeyDictionary()
_memories_mutex: Final = Mutex()


def version(connection: Connection) -> int | None:
    """Names the present set of all series; None while it is not settled."""
    memory = _memory(connection.engine)
    newest, oldest_running, next_to_begin = connection.execute(_LOOK).one()
    with memory.mutex:
        if newest != memory.newest or next_to_begin < memory.seen_at:
            memory.newest, memory.seen_at, memory.version = newest, next_to_begin, None
        elif memory.version is None and oldest_running >= memory.seen_at:
            memory.version = next(_versions)
        return memory.version


def matching(connection: Connection, matchers: Matchers, most: int, known: int | None = None) -> Matched:
    """The series that fulfil all matchers; the same object for as long as they are the same series.

    Args:
        connection: An open transaction.
        matchers: What each series must fulfil.
        most: How many series may be looked at, those included that PostgreSQL cannot rule out.
        known: What `version` gave; without it PostgreSQL is asked each time.

    Raises:
        QueryLimitError: There are more.
    """
    memory = _memory(connection.engine)
    kept = memory.sets.get(matchers)
    if kept is not None and kept[0] == known is not None:
        _see_to(len(kept[1]), most)
        return kept[2]
    candidates = _candidates(connection, matchers, most)
    if kept is not None and np.array_equal(kept[1], candidates):
        matched = kept[2]
    else:
        labels = _labels(connection, memory, candidates)
        rows = [row for row, one in enumerate(labels) if matches(one, matchers)]
        matched = Matched(candidates[rows], SeriesSet(labels[row] for row in rows))
    with memory.mutex:
        if len(memory.sets) >= REMEMBERED_SETS:
            memory.sets.clear()
        memory.sets[matchers] = (known, candidates, matched)
    return matched


def metrics(connection: Connection) -> dict[str, str]:
    """The kind of each metric, by its name."""
    rows = connection.execute(text("SELECT name, kind FROM metric ORDER BY name"))
    return {row.name: row.kind for row in rows}


def _candidates(connection: Connection, matchers: Matchers, most: int) -> Ints:
    """The numbers of the series that PostgreSQL cannot rule out, rising."""
    wanted = [matcher for matcher in matchers if matcher.op == "=" and matcher.value]
    if not all(is_storable(matcher.name) and is_storable(matcher.value) for matcher in wanted):
        return np.empty(0, np.int64)
    conditions, values = _conditions(connection, matchers)
    query = f"SELECT id FROM series WHERE {' AND '.join(conditions)} ORDER BY id LIMIT %(most)s"  # noqa: S608 - values are parameters
    rows = copy_out(connection, query, {**values, "most": most + 1}, _IDS)
    _see_to(len(rows), most)
    return rows.columns["id"].astype(np.int64)


def _see_to(found: int, most: int) -> None:
    if found > most:
        raise QueryLimitError(f"a selector matches more than the {most} series that a query may look at")


def _conditions(connection: Connection, matchers: Matchers) -> tuple[list[str], dict[str, Any]]:
    equal = [matcher for matcher in matchers if matcher.op == "=" and matcher.name != NAME]
    present = [{matcher.name: matcher.value} for matcher in equal if matcher.value]
    conditions, values = ["true"], dict[str, Any]()
    for place, pair in enumerate(present):  # one each: two values of one label contradict each other
        conditions.append(f"labels @> %(present{place})s::jsonb")
        values[f"present{place}"] = json.dumps(pair)
    absent = [matcher.name for matcher in equal if not matcher.value and is_storable(matcher.name)]
    if absent:
        conditions.append("NOT jsonb_exists_any(labels, %(absent)s::text[])")
        values["absent"] = absent
    of_name = [matcher for matcher in matchers if matcher.name == NAME]
    if of_name:
        conditions.append("name = ANY(%(names)s::text[])")
        values["names"] = _names(connection, of_name)
    return conditions, values


def _names(connection: Connection, matchers: Sequence[Matcher]) -> list[str]:
    """The metrics that may be meant: one name at most, or those of the register that match."""
    exact = {matcher.value for matcher in matchers if matcher.op == "="}
    names: Iterable[str] = exact or metrics(connection)
    return [name for name in names if all(matcher.matches(name) for matcher in matchers)]


def _labels(connection: Connection, memory: _Memory, ids: Ints) -> list[Labels]:
    wanted = ids.tolist()
    known = memory.labels
    missing = [one for one in wanted if one not in known]
    if not missing:
        return [known[one] for one in wanted]
    read = _read_labels(connection, missing)
    found = [read[one] if one in read else known[one] for one in wanted]
    with memory.mutex:
        if len(known) + len(read) > REMEMBERED_LABELS:
            memory.labels = {}  # a new one: others may be reading the old one
        memory.labels.update(read)
    return found


def _read_labels(connection: Connection, ids: Sequence[int]) -> Mapping[int, Labels]:
    rows = connection.execute(
        text("SELECT id, name, labels FROM series WHERE id = ANY(CAST(:ids AS int[]))"), {"ids": list(ids)}
    )
    return {row.id: labels_of({**row.labels, NAME: row.name}) for row in rows}


def _memory(engine: Engine) -> _Memory:
    with _memories_mutex:
        return _memories.setdefault(engine, _Memory())
