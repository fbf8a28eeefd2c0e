"""How databases execute the kinds of queries that take the most time: EXPLAIN, which executes nothing.

A kind's values are not known, so PostgreSQL 16 and later is asked for the generic plan. A plan is kept when a
kind has had none lately on a database, or another: what counts is its shape, not its estimates.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

import psycopg2
from sqlalchemy import Connection, delete, insert, select

from watchfleet.db.engine import transaction
from watchfleet.db.tables import query_plan
from watchfleet.detectors import slow_queries
from watchfleet.detectors.slow_queries import KindOfQuery
from watchfleet.detectors.visits import each, visiting
from watchfleet.instrument.fingerprint import LONGEST
from watchfleet.metrics.answer import isoformat

SPAN: Final = timedelta(hours=1)
HEAVIEST: Final = 20
MOST: Final = 5_000
"""Plans that are kept, the newest."""
MOST_LINES: Final = 200
"""Of a plan that are kept, each up to `LONGEST_LINE` characters."""
LONGEST_LINE: Final = 1000
GENERIC_SINCE: Final = 160_000
"""The version of the server, as it counts them, that plans without values."""
_PLANNED: Final = re.compile(r"\s*(?:select|insert|update|delete|merge|with|values)\b[^;]*\Z", re.IGNORECASE)
_SHAPE: Final = ("Node Type", "Join Type", "Strategy", "Relation Name", "Index Name", "CTE Name")

Plans = dict[str, dict[str, Any]]
"""The root of a plan by the kind's fingerprint."""


def publish(databases: Mapping[str, str], now: datetime) -> int:
    """Keep how each database executes the kinds that took the most time; returns how many plans are new.

    One that does not answer, or is older than PostgreSQL 16, is left out.

    Args:
        databases: Addresses by the name under which they are known.
        now: The present.
    """
    with transaction() as connection:
        kinds = [
            one
            for one in slow_queries.top(connection, now - SPAN, now, limit=HEAVIEST)
            if can_be_planned(one.text)
        ]
    seen = dict(each(databases, partial(read, kinds=kinds))) if kinds else {}
    with transaction() as connection:
        known = _known(connection, [one.fingerprint for one in kinds])
        new = list(_new(seen, known, now))
        if new:
            connection.execute(insert(query_plan), new)
            old = select(query_plan.c.id).order_by(query_plan.c.id.desc()).offset(MOST)
            connection.execute(delete(query_plan).where(query_plan.c.id.in_(old)))
    return len(new)


def can_be_planned(statement: str) -> bool:
    """Whether it is one whole statement that a plan is made for: nothing else is ever sent to a database."""
    return len(statement) < LONGEST and _PLANNED.match(statement) is not None


def read(url: str, kinds: Sequence[KindOfQuery]) -> Plans:
    """The generic plans of a database for kinds of queries; those that it cannot plan are left out.

    Args:
        url: The database's address, `postgresql://...`.
        kinds: What to plan.

    Raises:
        psycopg2.OperationalError: It does not answer.
    """
    found: Plans = {}
    with visiting(url) as cursor:
        if cursor.connection.server_version < GENERIC_SINCE:
            return {}
        for kind in kinds:
            try:
                cursor.execute(
                    f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {kind.text}"
                )  # checked above, and read only
                row = cursor.fetchone()
                found[kind.fingerprint] = row["QUERY PLAN"][0]["Plan"] if row else {}
            except psycopg2.Error as error:  # it is of another database, or holds what only its driver knows
                if isinstance(error, psycopg2.OperationalError):
                    raise
            cursor.connection.rollback()
    return found


def shape(plan: Mapping[str, Any]) -> str:
    """What two plans share that do the same in the same order, whatever they are estimated to cost.

    Args:
        plan: A node of PostgreSQL's JSON form, with its children.

    Returns:
        16 hexadecimal digits.
    """
    return blake2b(json.dumps(_outline(plan)).encode(), digest_size=8).hexdigest()


def _outline(node: Mapping[str, Any]) -> list[Any]:
    return [*(node.get(name) for name in _SHAPE), [_outline(child) for child in node.get("Plans", ())]]


def lines(node: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """A plan for people, a node a line."""
    about = [f"on {node['Relation Name']}"] if "Relation Name" in node else []
    about += [f"using {node['Index Name']}"] if "Index Name" in node else []
    cost = f"(cost {node.get('Total Cost', 0):g}, rows {node.get('Plan Rows', 0):g})"
    yield " ".join(["  " * depth + str(node.get("Node Type", "?")), *about, cost])
    for child in node.get("Plans", ()):
        yield from lines(child, depth + 1)


def details(
    connection: Connection, fingerprint: str, start: datetime, now: datetime, limit: int = 20
) -> dict[str, list[dict[str, Any]]]:
    """All that is known of one kind, as `slow_queries.details`, and its plans.

    Returns:
        Also `plans`, whenever they were found, the newest first: each with `at`, `target`, `shape` and
        `plan`, a node a line.
    """
    rows = connection.execute(
        select(query_plan)
        .where(query_plan.c.fingerprint == fingerprint)
        .order_by(query_plan.c.id.desc())
        .limit(limit)
    )
    plans = [
        {"at": isoformat(row.found_at), "target": row.target, "shape": row.shape, "plan": row.plan}
        for row in rows
    ]
    return {**slow_queries.details(connection, fingerprint, start, now, limit), "plans": plans}


def _known(connection: Connection, fingerprints: Sequence[str]) -> dict[tuple[str, str], str]:
    """The shape of the newest plan of each kind on each database."""
    table = query_plan.c
    rows = connection.execute(
        select(table.target, table.fingerprint, table.shape)
        .where(table.fingerprint.in_(fingerprints))
        .order_by(table.id)
    )
    return {(target, fingerprint): seen for target, fingerprint, seen in rows}


def _new(
    seen: Mapping[str, Plans], known: Mapping[tuple[str, str], str], now: datetime
) -> Iterator[dict[str, Any]]:
    for target, plans in seen.items():
        for fingerprint, plan in plans.items():
            found = shape(plan)
            if known.get((target, fingerprint)) != found:
                told = [line[:LONGEST_LINE] for line in islice(lines(plan), MOST_LINES)]
                row = {"fingerprint": fingerprint, "target": target, "shape": found}
                yield {**row, "plan": told, "found_at": now}
