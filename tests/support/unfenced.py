"""An outbox whose outcomes anyone may record, however late: what a storm must show to be wrong."""

from datetime import timedelta

from sqlalchemy import text

from watchfleet.notify import deliver, outbox, outcomes

LEASE = timedelta(seconds=1)
FENCE = " AND outbox.token = given.token"

fenced = outcomes._RECORD.text
assert FENCE in fenced
outcomes._RECORD = text(fenced.replace(FENCE, ""))
outbox.LEASE = LEASE
deliver.SENDING = 60.0
