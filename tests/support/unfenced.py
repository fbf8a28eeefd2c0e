"""An outbox whose outcomes anyone may record, however late: what a storm must show to be wrong."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from watchfleet.db.tables import outbox as table
from watchfleet.notify import deliver, outbox
from watchfleet.notify.outbox import Claim
from watchfleet.notify.retry import Outcome

LEASE = timedelta(seconds=1)


def record_anyway(connection: Connection, claimed: Claim, outcome: Outcome, now: datetime) -> bool:
    connection.execute(
        update(table)
        .where(table.c.id == claimed.id)
        .values(state=outcome.state, reason=outcome.reason, due_at=now, leased_until=None, published_at=None)
    )
    return True


outbox._record_one = record_anyway
outbox.LEASE = LEASE
deliver.SENDING = 60.0
