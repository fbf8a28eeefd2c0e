"""Partitions of samples whose day is over get an index by series.

While a day is written, such an index would cost half the speed of its ingest, and what is asked of it is
mostly new. Afterwards little comes in, and a query of few series over days would have to read all of them.
"""

import logging
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from watchfleet.db.partitions import GRACE, SAMPLES, autocommit, bounds, children

log = logging.getLogger(__name__)

_PATIENCE: Final = text("SET statement_timeout = '200s'")  # within the limits of the task that does it
_INDEXED: Final = text(
    "SELECT part.relname FROM pg_index JOIN pg_class AS part ON part.oid = indrelid"
    " JOIN pg_class AS index ON index.oid = indexrelid"
    " WHERE index.relname = 'ix_' || part.relname || '_series' AND indisvalid"
)


def index_one(engine: Engine, now: datetime) -> str | None:
    """Index the newest partition that is over and has no index by series; returns its name.

    One that fails, for want of time or because the partition is in use, is tried again the next time.
    """
    with engine.begin() as connection:
        bare = children(connection, SAMPLES.table) - set(connection.scalars(_INDEXED))
    over = [name for name in bare if (span := bounds(SAMPLES, name)) and span[1] <= now - GRACE]
    if not over:
        return None
    name = max(over)
    try:
        with autocommit(engine) as connection:
            connection.execute(_PATIENCE)
            # What an interrupted attempt left is of no use, and in the way.
            connection.execute(text(f"DROP INDEX IF EXISTS ix_{name}_series"))
            statement = f"CREATE INDEX CONCURRENTLY ix_{name}_series ON {name} (series_id, ts)"
            connection.execute(text(statement))
    except DBAPIError as error:
        log.warning("%s could not be indexed by series yet: %s", name, error.orig)
        return None
    return name
