"""How long things are kept: partitions by their tier's retention, rows beside them by their use."""

import logging
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, text

from watchfleet.db import closed, partitions
from watchfleet.db.partitions import Kept
from watchfleet.settings import get_settings

log = logging.getLogger(__name__)

REJECTS_KEPT: Final = timedelta(days=7)
MOST_REJECTS: Final = 100_000
"""How many examples of rejects are kept, however new they are."""

BATCHES_KEPT_LONGER: Final = timedelta(days=1)
"""Ids of batches and events are kept for longer than these would be accepted late."""


def keep(engine: Engine, now: datetime) -> Kept:
    """Make partitions ahead, index those that are over, drop old ones, and delete old rows elsewhere."""
    kept = partitions.keep(engine, now)
    partitions.summarize(engine, now)
    closed.index_one(engine, now)
    with engine.begin() as connection:
        accepted = {"before": now - get_settings().retention_raw - BATCHES_KEPT_LONGER}
        connection.execute(text("DELETE FROM ingest_batch WHERE received_at < :before"), accepted)
        connection.execute(text("DELETE FROM event_seen WHERE seen_at < :before"), accepted)
        connection.execute(
            text(
                "DELETE FROM ingest_rejects WHERE created_at < :before"
                " OR id <= (SELECT max(id) FROM ingest_rejects) - :most"
            ),
            {"before": now - REJECTS_KEPT, "most": MOST_REJECTS},
        )
    for verb, names in (("made", kept.made), ("dropped", kept.dropped)):
        if names:
            log.info("%s partitions: %s", verb, ", ".join(names))
    return kept
