"""What the fingerprints of queries stand for, as applications tell of each kind that they meet."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from watchfleet.db.tables import statement
from watchfleet.model import Activity

MOST: Final = 10_000
"""Kinds that are kept, those that were met last."""


def learn(connection: Connection, rows: Sequence[Activity]) -> None:
    """Keep the text of each kind: the name of a row is the fingerprint."""
    if not rows:
        return
    # In one order, so that two batches never wait for each other.
    found = {row.name: row for row in sorted(rows, key=lambda row: row.name)}
    values = [
        {
            "fingerprint": name,
            "text": str(row.fields.get("statement", "")),
            "seen_at": datetime.fromtimestamp(row.at, UTC),
        }
        for name, row in found.items()
    ]
    adding = insert(statement)
    newer = {"text": adding.excluded.text, "seen_at": adding.excluded.seen_at}
    connection.execute(adding.on_conflict_do_update(index_elements=["fingerprint"], set_=newer), values)
    oldest = select(statement.c.fingerprint).order_by(statement.c.seen_at.desc()).offset(MOST)
    connection.execute(delete(statement).where(statement.c.fingerprint.in_(oldest)))


def texts(connection: Connection, fingerprints: Collection[str]) -> dict[str, str]:
    """The text of each that is known."""
    known = select(statement.c.fingerprint, statement.c.text).where(statement.c.fingerprint.in_(fingerprints))
    return {row.fingerprint: row.text for row in connection.execute(known)}
