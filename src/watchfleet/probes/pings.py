"""What jobs told of themselves by pings: the last start, the last end, and how it went."""

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from watchfleet.redact import redact

LONGEST_BODY: Final = 10_000
"""Bytes of a ping's body that are looked at."""
LONGEST_SAID: Final = 1_000
"""Characters of it that are kept."""


class Pinged(NamedTuple):
    """What is known of one heartbeat.

    Attributes:
        started_at: When its job last told that it began.
        ended_at: When it last told that it ended.
        succeeded_at: When it last told that it ended well.
        failed: Whether it ended badly the last time.
        exit_code: With which exit code it ended, if it told.
        said: What else it told.
        run_seconds: How long the last run took of which both ends are known.
    """

    started_at: datetime | None = None
    ended_at: datetime | None = None
    succeeded_at: datetime | None = None
    failed: bool = False
    exit_code: int | None = None
    said: str = ""
    run_seconds: float | None = None

    @property
    def runs_since(self) -> datetime | None:
        """When the run began that has not ended; None if none is under way."""
        if self.started_at is None or (self.ended_at is not None and self.ended_at >= self.started_at):
            return None
        return self.started_at


NEVER: Final = Pinged()

# One clock, the database's: nobody else's matters.
_START: Final = text(
    "INSERT INTO heartbeat (target, started_at) VALUES (:target, now())"
    " ON CONFLICT (target) DO UPDATE SET started_at = excluded.started_at"
)
_END: Final = text(
    "INSERT INTO heartbeat AS old (target, ended_at, succeeded_at, failed, exit_code, said)"
    " VALUES (:target, now(), CASE WHEN NOT :failed THEN now() END, :failed, :exit_code, :said)"
    " ON CONFLICT (target) DO UPDATE SET ended_at = excluded.ended_at,"
    " succeeded_at = coalesce(excluded.succeeded_at, old.succeeded_at),"
    " failed = excluded.failed, exit_code = excluded.exit_code, said = excluded.said,"
    " run_seconds = CASE WHEN old.started_at > coalesce(old.ended_at, '-infinity')"
    " THEN extract(epoch FROM now() - old.started_at) END"
)
_READ: Final = text(
    "SELECT target, started_at, ended_at, succeeded_at, failed, exit_code, said, run_seconds"
    " FROM heartbeat WHERE target = ANY(:targets)"
)


def start(connection: Connection, target: str) -> None:
    """Note that a job began."""
    connection.execute(_START, {"target": target})


def end(connection: Connection, target: str, *, exit_code: int | None, body: bytes) -> None:
    """Note that a job ended, and what it told; without an exit code it failed, as with any but 0."""
    said = redact(body[:LONGEST_BODY].decode(errors="replace").replace("\0", ""))[:LONGEST_SAID]
    given = {"target": target, "failed": exit_code != 0, "exit_code": exit_code, "said": said}
    connection.execute(_END, given)


def pinged(connection: Connection, targets: Collection[str]) -> tuple[datetime, dict[str, Pinged]]:
    """The store's present, and what is known of heartbeats; those that were never pinged are missing."""
    now: datetime = connection.execute(text("SELECT now()")).scalar_one()
    rows = connection.execute(_READ, {"targets": list(targets)}).all()
    return now, {row.target: Pinged(*row[1:]) for row in rows}
