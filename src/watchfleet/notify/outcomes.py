"""What tries to send came to, written down; only who holds a row's token may."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, text

from watchfleet.metrics.counters import INSERT as COUNT
from watchfleet.metrics.counters import Tally
from watchfleet.notify import gates
from watchfleet.notify.outbox import Claim, tell_fallbacks
from watchfleet.notify.receivers import Receivers
from watchfleet.notify.retry import Outcome
from watchfleet.notify.text import clean
from watchfleet.redact import redact

TRIES: Final = "notification_tries_total"
ERROR_CAP: Final = 2_000
Printable = Callable[[str], str]
_RECORD = text(
    f"""
    WITH recorded AS (
        UPDATE outbox
        SET state = given.state, reason = given.reason, last_error = given.detail, receipt = given.receipt,
            leased_until = NULL,
            due_at = coalesce(given.due_at, outbox.due_at),
            finished_at = CASE WHEN given.due_at IS NULL THEN CAST(:now AS timestamptz) END,
            published_at = CASE WHEN given.due_at IS NULL THEN outbox.published_at END
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
            id bigint, token uuid, state text, reason text, detail text, receipt jsonb, due_at timestamptz
        )
        WHERE outbox.id = given.id AND outbox.token = given.token
        RETURNING outbox.id
    ), counted AS ({COUNT})
    SELECT id FROM recorded
    """  # noqa: S608 - all of it is ours
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of writing down outcomes.

    Attributes:
        ours: The rows whose outcome was taken; the others had been claimed by another meanwhile.
        wake: The channels to wake once the transaction has committed.
        closed: The destinations that should not be tried for now.
    """

    ours: frozenset[int]
    wake: tuple[str, ...]
    closed: frozenset[gates.Key]


def record(
    connection: Connection,
    tried: Sequence[tuple[Claim, Outcome]],
    receivers: Receivers,
    now: datetime,
) -> Recorded:
    """Write down what tries came to, and who is told instead of a destination that was given up.

    The token alone decides: what was sent counts as sent also when the lease has ended meanwhile, unless
    another worker has taken the row.
    """
    printable = cache(_printable)  # what receivers say is mostly the same
    rows = [_row(claimed, outcome, now, printable) for claimed, outcome in tried]
    given = {"rows": json.dumps(rows), "now": now, **_tries(tried).columns()}
    ours = frozenset(connection.scalars(_RECORD, given))
    dead = [claimed.id for claimed, outcome in tried if outcome.state == "dead" and claimed.id in ours]
    wake = tell_fallbacks(connection, dead, receivers, now)
    closed = gates.settle(connection, [(claimed.destination, outcome) for claimed, outcome in tried], now)
    return Recorded(ours, wake, frozenset(closed))


def _tries(tried: Sequence[tuple[Claim, Outcome]]) -> Tally:
    kinds = Counter((claimed.destination.channel, one.state, one.reason) for claimed, one in tried)
    tally = Tally()
    for (channel, state, reason), count in kinds.items():
        tally.add(TRIES, count, {"channel": channel, "outcome": state, "reason": reason})
    return tally


def _row(claimed: Claim, outcome: Outcome, now: datetime, printable: Printable) -> dict[str, Any]:
    """A row of `_RECORD`; without `due_at` it is the last try."""
    return {
        "id": claimed.id,
        "token": str(claimed.token),
        "state": outcome.state,
        "reason": outcome.reason,
        "detail": printable(outcome.detail),
        "receipt": _redacted(asdict(outcome.receipt), printable) if outcome.receipt else None,
        "due_at": None if outcome.wait is None else (now + timedelta(seconds=outcome.wait)).isoformat(),
    }


def _redacted(value: Any, printable: Printable) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(str(name)): _redacted(part, printable) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(part, printable) for part in value]
    return value if isinstance(value, int | None) else printable(str(value))


def _printable(text: str) -> str:
    return clean(redact(text), ERROR_CAP)
