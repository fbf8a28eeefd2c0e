"""`postgres`: does a PostgreSQL server accept a connection and a query?"""

from contextlib import closing
from typing import Any, Final

import psycopg2
from pydantic import Field, SecretStr

from watchfleet.model import ProbeResult
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


class PostgresOptions(Options):
    """The settings of `postgres`."""

    url: SecretStr | None = Field(
        None, description="The database, postgresql://... Not set: the fleet's own store."
    )


def probe(target: Target, options: PostgresOptions, deadline: Deadline) -> ProbeResult:
    """Connect, log in, run a query."""
    attempt = Attempt(target)
    url = store_url(options.url)
    if url is None:
        return attempt.unknown(Reason.PROBE_ERROR, "DATABASE_URL is not set")
    try:
        scalar(url, "SELECT 1", deadline)
    except psycopg2.Error as error:
        reason = reason_of(error)
        return attempt.down(reason, f"no answer from the database: {reason.replace('_', ' ')}")
    return attempt.up()


def store_url(given: SecretStr | None) -> str | None:
    """The database that a target names, or else the fleet's own."""
    url = given or get_settings().database_url
    return url.get_secret_value().replace("postgresql+psycopg2://", "postgresql://", 1) if url else None


def scalar(url: str, query: str, deadline: Deadline) -> Any:
    """The first value of a query's first row, on a connection of its own; None without a row.

    Raises:
        psycopg2.Error: The database does not answer, or not to this query.
    """
    milliseconds = max(1, round(deadline.remaining() * 1000))
    with closing(
        psycopg2.connect(
            url,
            connect_timeout=max(1, milliseconds // 1000),
            tcp_user_timeout=milliseconds,
            options=f"-c statement_timeout={milliseconds}",
            application_name="watchfleet probe",
        )
    ) as connection:
        cursor = connection.cursor()
        cursor.execute(query)
        row = cursor.fetchone()
    return row[0] if row else None


def reason_of(error: psycopg2.Error) -> Reason:
    """The reason for a failed connection or query."""
    text = str(error)
    for words, reason in _WORDS:
        if words in text:
            return reason
    return Reason.QUERY_FAILED if error.pgcode else Reason.CONNECTION_FAILED
