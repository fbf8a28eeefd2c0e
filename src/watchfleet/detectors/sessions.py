"""What the sessions of a PostgreSQL server are doing now, and which wait for which.

Who waits for a lock is blocked by others, who may be blocked themselves, or hold the lock and do nothing.
Such a chain is told from its end, the session that waits for nobody: once that one ends, the others go on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from watchfleet.detectors.visits import visiting
from watchfleet.instrument.fingerprint import key_of, text_of

MOST: Final = 1000
_TELLS_IDS: Final = 140000
"""The first version whose sessions tell a query's id."""
_QUERY: Final = """
SELECT pid, coalesce(datname, '') AS database, coalesce(usename, '') AS user, application_name AS application,
       coalesce(state, 'unknown') AS state,
       coalesce(extract(epoch FROM clock_timestamp() - query_start), 0)::float8 AS seconds,
       coalesce(wait_event_type || ':' || wait_event, '') AS wait,
       coalesce(query, '') AS query, {query_id} AS query_id,
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{{}}' END AS blocked_by
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type IN ('client backend', 'autovacuum worker')
ORDER BY state = 'idle', query_start
LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that does something, or holds a transaction open.

    Attributes:
        pid: Its process.
        database: Of which database.
        user: Whose.
        application: What it calls itself.
        state: As PostgreSQL says: `active`, `idle in transaction` and so on.
        seconds: Since its last query began.
        wait: What it waits for, such as `Lock:transactionid`; empty if for nothing.
        fingerprint: The kind of its last query, as applications report it.
        query_id: The same by the server's own reckoning; 0 where it does not tell.
        statement: Its last query without values.
        blocked_by: The processes that hold what it waits for.
    """

    pid: int
    database: str
    user: str
    application: str
    state: str
    seconds: float
    wait: str
    fingerprint: str
    query_id: int
    statement: str
    blocked_by: tuple[int, ...]

    def facts(self) -> dict[str, Any]:
        """All of it for JSON."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return fields | {"query_id": str(self.query_id), "blocked_by": list(self.blocked_by)}


@dataclass(frozen=True, slots=True)
class Chain:
    """Sessions that wait for one, directly or by way of others.

    Attributes:
        root: The one that waits for nobody.
        waiting: The others; whoever is nearer to the root comes first.
    """

    root: Session
    waiting: tuple[Session, ...]

    def __str__(self) -> str:
        """As people read it: `12 (idle in transaction) <- 13 <- 14`."""
        return " <- ".join([f"{self.root.pid} ({self.root.state})", *(str(one.pid) for one in self.waiting)])


def read(url: str) -> list[Session]:
    """The sessions of a server that are not idle or hold others up, the longest-running first; 1,000 at most.

    Of other users' sessions a server tells only members of `pg_monitor` what they do.

    Args:
        url: The server's address, `postgresql://...`.

    Raises:
        psycopg2.Error: It does not answer.
    """
    with visiting(url) as cursor:
        query_id = "coalesce(query_id, 0)" if cursor.connection.server_version >= _TELLS_IDS else "0"
        cursor.execute(_QUERY.format(query_id=query_id), (MOST,))
        rows = cursor.fetchall()
    blocking = {pid for row in rows for pid in row["blocked_by"]}
    return [_session(row) for row in rows if row["state"] != "idle" or row["pid"] in blocking]


def chains(sessions: Sequence[Session]) -> list[Chain]:
    """Who holds others up, the one that holds up the most first; those in a deadlock are in no chain."""
    blocked: dict[int, list[Session]] = {}
    for session in sessions:
        for pid in session.blocked_by:
            blocked.setdefault(pid, []).append(session)
    roots = [one for one in sessions if one.pid in blocked and not one.blocked_by]
    found = [Chain(root, tuple(_behind(root, blocked))) for root in roots]
    return sorted(found, key=lambda chain: (-len(chain.waiting), chain.root.pid))


def facts(target: str, found: Sequence[Session]) -> dict[str, Any]:
    """What a database is doing, for JSON: its sessions, and who holds others up."""
    held_up = [
        {"chain": str(chain), "root": chain.root.pid, "statement": chain.root.statement}
        for chain in chains(found)
    ]
    return {"target": target, "sessions": [one.facts() for one in found], "chains": held_up}


def _behind(root: Session, blocked: dict[int, list[Session]]) -> Iterator[Session]:
    seen, nearest = {root.pid}, [root]
    while nearest:
        following = [one for session in nearest for one in blocked.get(session.pid, ())]
        nearest = list({one.pid: one for one in following if one.pid not in seen}.values())
        seen.update(one.pid for one in nearest)
        yield from nearest


def _session(row: Mapping[str, Any]) -> Session:
    known = {name: value for name, value in row.items() if name not in {"query", "blocked_by"}}
    blockers = tuple(sorted(set(row["blocked_by"])))
    query = row["query"]
    return Session(**known, fingerprint=key_of(query), statement=text_of(query), blocked_by=blockers)
