"""`postgres`: does a PostgreSQL server accept a connection and a query, and how is it?"""

from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Self

import psycopg2
import psycopg2.errors
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
from pydantic import Field, SecretStr, model_validator

from watchfleet.clock import Period
from watchfleet.model import Measurement, ProbeResult
from watchfleet.probes.probe import Attempt, Deadline, Options, Target
from watchfleet.probes.reasons import Reason
from watchfleet.settings import get_settings

# libpq tells the cause of a failed connection in words alone; the server's are these in any locale that
# leaves lc_messages at C, libpq's in any that has no translation installed.
_WORDS: Final = (
    ("could not translate host name", Reason.DNS_FAILURE),
    ("Connection refused", Reason.CONNECTION_REFUSED),
    ("No such file or directory", Reason.CONNECTION_REFUSED),
    ("timeout expired", Reason.TIMEOUT),
    ("timed out", Reason.TIMEOUT),
    ("No route to host", Reason.HOST_UNREACHABLE),
    ("Network is unreachable", Reason.HOST_UNREACHABLE),
    ("authentication failed", Reason.AUTH_FAILED),
    ("no password supplied", Reason.AUTH_FAILED),
    ("no pg_hba.conf entry", Reason.AUTH_FAILED),
    ("does not exist", Reason.DATABASE_MISSING),
    ("too many", Reason.TOO_MANY_CONNECTIONS),
    ("remaining connection slots", Reason.TOO_MANY_CONNECTIONS),
    ("starting up", Reason.STARTING),
    ("in recovery mode", Reason.STARTING),
    ("shutting down", Reason.STARTING),
    ("certificate", Reason.TLS_UNTRUSTED),
    ("closed the connection unexpectedly", Reason.CONNECTION_RESET),
    ("reset by peer", Reason.CONNECTION_RESET),
)


# A role that is not in pg_monitor sees no transactions of others, and no standbys.
_VITALS: Final = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
  (SELECT extract(epoch FROM max(clock_timestamp() - xact_start)) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
  CASE WHEN NOT pg_is_in_recovery() THEN
    (SELECT extract(epoch FROM max(coalesce(replay_lag, '0'))) FROM pg_stat_replication)
  WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
  ELSE extract(epoch FROM clock_timestamp()
    - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time())) END
"""


class PostgresOptions(Options):
    """The settings of `postgres`."""

    url: SecretStr | None = Field(
        None, description="The database, postgresql://... Not set: the fleet's own store."
    )
    query: str | None = Field(
        None, description="A query to run, which may not write; without an error, the target is up."
    )
    expected: str | None = Field(
        None, description="What the first value of its first row must be, as PostgreSQL writes it."
    )
    degraded_above_connections_percent: float | None = Field(
        90, gt=0, le=100, description="More used connections of those that may be, make it degraded."
    )
    degraded_above_transaction: Period | None = Field(
        None, description="A transaction that is older makes it degraded. Not set: never."
    )
    degraded_above_lag: Period | None = Field(
        None, description="A standby that is farther behind makes it degraded. Not set: never."
    )

    @model_validator(mode="after")
    def _has_query(self) -> Self:
        if self.expected is not None and self.query is None:
            raise ValueError("expected: needs a query")
        return self


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a server tells of itself.

    Attributes:
        connections: How many clients are connected, this one among them.
        most: How many may be.
        transaction: The age of the oldest transaction of another client, in seconds; None if there is none.
        lag: How many seconds the farthest standby is behind, or this one; None without standbys.
    """

    connections: int
    most: int
    transaction: float | None
    lag: float | None

    def measurements(self) -> list[Measurement]:
        """The same as measurements."""
        found = {
            "postgres_connections": self.connections,
            "postgres_max_connections": self.most,
            "postgres_longest_transaction_seconds": self.transaction or 0.0,
            "postgres_replication_lag_seconds": self.lag,
        }
        return [Measurement(name, float(value)) for name, value in found.items() if value is not None]


def probe(target: Target, options: PostgresOptions, deadline: Deadline) -> ProbeResult:
    """Connect, log in, ask the server how it is, run the query."""
    attempt = Attempt(target)
    url = store_url(options.url)
    if url is None:
        return attempt.unknown(Reason.PROBE_ERROR, "DATABASE_URL is not set")
    try:
        with closing(connected(url, deadline)) as connection:
            (found,) = _rows(connection, _VITALS)
            vitals = Vitals(*found)
            fault = _fault(connection, options)
    except psycopg2.Error as error:
        reason = reason_of(error)
        return attempt.down(reason, f"no answer from the database: {reason.replace('_', ' ')}")
    if fault is not None:
        reason, detail, answer = fault
        return attempt.down(reason, detail, vitals.measurements(), answer=answer)
    return _verdict(attempt, options, vitals)


def _fault(connection: Connection, options: PostgresOptions) -> tuple[Reason, str, bytes] | None:
    """What is wrong with the query's answer, and the answer; None if nothing is."""
    if options.query is None:
        return None
    try:
        rows = _rows(connection, options.query)
    except psycopg2.errors.QueryCanceled:
        return Reason.TIMEOUT, "the query takes too long", b""
    except psycopg2.Error as error:
        if error.pgcode is None:
            raise
        return Reason.QUERY_FAILED, f"the query failed: SQLSTATE {error.pgcode}", b""
    said = str(rows[0][0]) if rows and rows[0][0] is not None else None
    if options.expected in {None, said}:
        return None
    return Reason.ANSWER_MISMATCH, "the query gave another value", str(said).encode()


def _verdict(attempt: Attempt, options: PostgresOptions, vitals: Vitals) -> ProbeResult:
    values, most = vitals.measurements(), options.degraded_above_connections_percent
    if most is not None and vitals.connections * 100 > vitals.most * most:
        detail = f"{vitals.connections} of {vitals.most} connections are used"
        return attempt.degraded(Reason.TOO_MANY_CONNECTIONS, detail, values)
    for reason, what, seconds, limit in (
        (Reason.LONG_TRANSACTION, "a transaction is", vitals.transaction, options.degraded_above_transaction),
        (Reason.REPLICATION_LAG, "a standby is behind by", vitals.lag, options.degraded_above_lag),
    ):
        if limit is not None and seconds is not None and seconds > limit.total_seconds():
            return attempt.degraded(reason, f"{what} {seconds:.0f} s", values)
    return attempt.up(values)


def store_url(given: SecretStr | None) -> str | None:
    """The database that a target names, or else the fleet's own."""
    url = given or get_settings().database_url
    return url.get_secret_value().replace("postgresql+psycopg2://", "postgresql://", 1) if url else None


def scalar(url: str, query: str, deadline: Deadline) -> Any:
    """The first value of a query's first row, on a connection of its own; None without a row.

    Raises:
        psycopg2.Error: The database does not answer, or not to this query.
    """
    with closing(connected(url, deadline)) as connection:
        rows = _rows(connection, query)
    return rows[0][0] if rows else None


def connected(url: str, deadline: Deadline) -> Connection:
    """A connection on which nothing can be written, and nothing takes longer than the deadline.

    Raises:
        psycopg2.Error: There is none.
    """
    milliseconds = max(1, round(deadline.remaining() * 1000))
    return psycopg2.connect(
        url,
        connect_timeout=max(1, milliseconds // 1000),
        tcp_user_timeout=milliseconds,
        options=f"-c statement_timeout={milliseconds} -c default_transaction_read_only=on",
        application_name="watchfleet probe",
    )


def _rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    """The first row of a query's answer, or none."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchmany(1) if cursor.description else []


def reason_of(error: psycopg2.Error) -> Reason:
    """The reason for a failed connection or query."""
    text = str(error)
    for words, reason in _WORDS:
        if words in text:
            return reason
    return Reason.QUERY_FAILED if error.pgcode else Reason.CONNECTION_FAILED
