"""The batches that are in: each is entered once, together with what it adds to the counters."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import psycopg2

from watchfleet.db.copy import raw_cursor
from watchfleet.metrics import marks
from watchfleet.metrics.counters import INSERT as COUNT
from watchfleet.metrics.counters import Tally
from watchfleet.metrics.names import is_storable
from watchfleet.metrics.sketch import Ints

_LONGEST_ID: Final = 200


def _compiled(statement: str) -> str:
    """A statement with psycopg2's own placeholders, to be sent without what SQLAlchemy does for each."""
    return str(text(statement).compile(dialect=psycopg2.dialect()))  # type: ignore[no-untyped-call]  # it has no types


# One statement, as each costs a wait for the server; the savepoint is where a batch can be begun again.
_ENTER: Final = _compiled(
    "SAVEPOINT batch; WITH entered AS"  # noqa: S608 - all of it is ours
    " (INSERT INTO ingest_batch (id, accepted, rejected, received_at, first_us, last_us)"
    " VALUES (:id, :accepted, :rejected, :now, :first, :last) ON CONFLICT (id) DO NOTHING RETURNING id),"
    f" counted AS ({COUNT} WHERE EXISTS (SELECT FROM entered)),"
    f" marked AS ({marks.INSERT} WHERE EXISTS (SELECT FROM entered))"
    " SELECT count(*) FROM entered"
)


class Samples(NamedTuple):
    """The times of samples, in Unix microseconds, and the series of each."""

    ts: Ints
    series: Ints


NO_SAMPLES: Final = Samples(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch.

    Attributes:
        accepted: Samples and events that are in the store now.
        rejected: Those turned away, each for a reason of its own.
        duplicate: The batch was in already; nothing changed.
        refused: Why the batch could not be read at all; empty if it could.
        repeated: Samples that the store had already, of a source that may send one again in another batch.
        overflowed: Accepted samples that were counted together, as their metric has all the series it may.
        reasons: How many were rejected, by reason.
        series: `[name, labels, kind]` of each series of the batch, unchecked.
    """

    accepted: int = 0
    rejected: int = 0
    duplicate: bool = False
    refused: str = ""
    repeated: int = 0
    overflowed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    series: Sequence[Any] = field(default=(), compare=False, repr=False)


def identity(batch_id: Any) -> str:
    """The batch's id if it is fit to be stored, else its digest."""
    if isinstance(batch_id, str) and len(batch_id) <= _LONGEST_ID and is_storable(batch_id):
        return batch_id
    return "digest:" + blake2b(repr(batch_id).encode("utf-8", "replace"), digest_size=16).hexdigest()


def enter(
    connection: Connection,
    batch_id: str,
    written: Written,
    now: datetime,
    samples: Samples = NO_SAMPLES,
) -> bool:
    """Enter a batch, count it, and mark the slices that it touches; False if it is there.

    Waits for a transaction that is just entering it.

    Args:
        connection: The transaction that writes the batch.
        batch_id: As `identity` gives it.
        written: What will have become of it.
        now: The present.
        samples: When and of which series its samples are.
    """
    first, last = span(samples.ts)
    values: dict[str, Any] = marks.columns(*marks.of_samples(*samples, now))
    values |= {"first": first, "last": last}
    values |= {"id": batch_id, "accepted": written.accepted, "rejected": written.rejected, "now": now}
    with raw_cursor(connection) as cursor:
        cursor.execute(_ENTER, {**values, **_tally(written).columns()})
        ((entered,),) = cursor.fetchall()
    if not entered:
        again = Tally()
        again.add("watchfleet_ingest_batches_total", labels={"outcome": "duplicate"})
        again.save(connection)
    return bool(entered)


def span(ts: Ints) -> tuple[int, int]:
    """The earliest and the latest of some times; of none, an end before the start."""
    return (int(ts.min()), int(ts.max())) if len(ts) else (0, -1)


def leave(connection: Connection) -> None:
    """Take back what `enter` and everything after it did, when one of the statements failed."""
    connection.exec_driver_sql("ROLLBACK TO SAVEPOINT batch")


def _tally(written: Written) -> Tally:
    tally = Tally()
    outcome = "refused" if written.refused else "written"
    tally.add("watchfleet_ingest_batches_total", labels={"outcome": outcome})
    tally.add("watchfleet_ingest_samples_total", written.accepted)
    tally.add("watchfleet_ingest_repeated_samples_total", written.repeated)
    tally.add("watchfleet_ingest_overflowed_samples_total", written.overflowed)
    for reason, times in written.reasons.items():
        tally.add("watchfleet_ingest_rejected_samples_total", times, {"reason": reason})
    return tally
