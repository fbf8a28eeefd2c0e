"""The transactional outbox: what must be told to whom, until it is told.

A row is written for each destination, in the transaction of what it tells of. A worker claims it by a
guarded UPDATE that sets a token and a lease, sends, and records the outcome, which only the holder of the
token may. Rows of one order key (a group of alerts at a destination) go out in the order of their ids: a row
is not claimed while an earlier one is open. Retries wait here. A lost worker's lease ends, a lost wake-up is
repeated, both by `sweep`. Every row ends as sent, dead, grouped or suppressed.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    and_,
    case,
    exists,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from watchfleet.db.tables import alert_event, outbox
from watchfleet.errors import DeliveryError
from watchfleet.model import Destination, Message, Receipt
from watchfleet.notify.identity import delivery_id, order_key
from watchfleet.notify.retry import MAX_ATTEMPTS, Outcome
from watchfleet.notify.text import clean
from watchfleet.redact import redact

DEADLINE: Final = timedelta(seconds=15)
"""The longest that a channel may take for one notification."""
LEASE: Final = timedelta(seconds=30)
"""How long a claim holds; above the deadline, so that no row is sent twice while its sender lives."""
REPEAT: Final = timedelta(seconds=3)
"""How long a due row waits for the wake-up that was sent before another is."""
LONGEST_REPEAT: Final = timedelta(seconds=60)
SWEEP_LIMIT: Final = 1000
ERROR_CAP: Final = 2_000
OPEN: Final = ("pending", "sending", "retry")
STATES: Final = (*OPEN, "sent", "dead", "grouped", "suppressed")
_MESSAGE: Final = TypeAdapter(Message)
_RECEIPT: Final = TypeAdapter(Receipt)


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that is ours to send until the lease ends.

    Attributes:
        id: The row.
        delivery_id: The same for every try.
        destination: Who is told.
        token: Fences the outcome.
        attempts: How many tries there were, this one included.
        content: What to send, as it is stored.
        previous: What the receiver said to the notification that this one continues, as it is stored.
    """

    id: int
    delivery_id: str
    destination: Destination
    token: UUID
    attempts: int
    content: Any
    previous: Any = None

    @property
    def message(self) -> Message:
        """What to send.

        Raises:
            DeliveryError: It cannot be read: another version of the fleet wrote it.
        """
        try:
            message = _MESSAGE.validate_python(self.content)
            previous = _RECEIPT.validate_python(self.previous) if self.previous else None
        except ValidationError as error:
            detail = f"{error.error_count()} fields cannot be read"
            raise DeliveryError("message_unreadable", permanent=True, detail=detail) from error
        return replace(message, attempt=self.attempts, previous=previous)


def enqueue(
    connection: Connection,
    message: Message,
    destinations: Sequence[Destination],
    now: datetime,
    *,
    occasion: str,
    event_id: int | None = None,
) -> tuple[str, ...]:
    """Write a row for each destination, in the caller's transaction.

    A delivery that is there already is left as it is, so that the same occasion may be written again.

    Args:
        connection: In the transaction that also writes what is told of.
        message: What is told; each row's delivery id, receiver and part are set here.
        destinations: Who is told.
        now: The present.
        occasion: Names what is told of, the same whenever it is written: `identity.transition`, or the
            dispatcher's name for a group's flush. Delivery ids follow from it.
        event_id: The event of an alert that is told of, if it is one.

    Returns:
        The channels to wake once the transaction has committed.
    """
    if destinations:
        rows = [_row(message, destination, now, occasion, event_id) for destination in destinations]
        connection.execute(insert(outbox).on_conflict_do_nothing(index_elements=["delivery_id"]), rows)
    return tuple(dict.fromkeys(destination.channel for destination in destinations))


@dataclass(frozen=True, slots=True)
class Notice:
    """What one destination is told, or would have been.

    Attributes:
        message: What; its delivery id, receiver and part are set when it is written.
        destination: Who.
        occasion: Names what is told of; the delivery id follows from it.
        suppressed: Why it is not told, such as `silenced:<id>`; empty if it is.
    """

    message: Message
    destination: Destination
    occasion: str
    suppressed: str = ""


def write(
    connection: Connection, notices: Sequence[Notice], now: datetime, *, published: bool = True
) -> tuple[str, ...]:
    """Write a row for each notice, in the caller's transaction.

    A delivery that is there already is left as it is, so that the same occasion may be written again.

    Args:
        connection: In the transaction that also writes what is told of.
        notices: What is told to whom, and what is not.
        now: The present.
        published: Whether the caller wakes the channels itself.

    Returns:
        The channels to wake once the transaction has committed.
    """
    if notices:
        rows = [
            _row(each.message, each.destination, now, each.occasion, None)
            | _standing(each.suppressed, now, published=published)
            for each in notices
        ]
        connection.execute(insert(outbox).on_conflict_do_nothing(index_elements=["delivery_id"]), rows)
    return tuple(dict.fromkeys(each.destination.channel for each in notices if not each.suppressed))


def _standing(suppressed: str, now: datetime, *, published: bool) -> dict[str, Any]:
    if suppressed:
        return {"state": "suppressed", "reason": suppressed, "published_at": None, "finished_at": now}
    return {"state": "pending", "reason": "", "published_at": now if published else None, "finished_at": None}


def told(connection: Connection, alert_id: int, fired_at: datetime) -> tuple[Destination, ...]:
    """The destinations that the alert's firing at that time was written for, in their order."""
    rows = connection.execute(
        select(outbox.c.channel, outbox.c.receiver, outbox.c.position, outbox.c.part)
        .join(alert_event, alert_event.c.id == outbox.c.event_id)
        .where(
            alert_event.c.alert_id == alert_id,
            alert_event.c.to_state == "firing",
            alert_event.c.at == fired_at,
        )
        .order_by(outbox.c.id)
    )
    return tuple(Destination(*row) for row in rows)


def claim(connection: Connection, channel: str, now: datetime) -> Claim | None:
    """Take the channel's longest due row for `LEASE`, or return None when nothing is due.

    The caller commits before it sends.
    """
    candidate = (
        select(outbox.c.id)
        .where(outbox.c.channel == channel, _waiting(), outbox.c.due_at <= now, _first_of_its_key())
        .order_by(outbox.c.due_at, outbox.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=outbox)
    )
    token = uuid4()
    row = connection.execute(
        update(outbox)
        .where(outbox.c.id == candidate.scalar_subquery(), _waiting())
        .values(state="sending", token=token, leased_until=now + LEASE, attempts=outbox.c.attempts + 1)
        .returning(
            outbox.c.id,
            outbox.c.delivery_id,
            outbox.c.channel,
            outbox.c.receiver,
            outbox.c.position,
            outbox.c.part,
            outbox.c.attempts,
            outbox.c.message,
            _previous().label("previous"),
        )
    ).one_or_none()
    return _claim(row, token) if row else None


def record(connection: Connection, claimed: Claim, outcome: Outcome, now: datetime) -> bool:
    """Write down what a try came to; False when the row has been claimed by another since.

    The token alone decides: what was sent counts as sent also when the lease has ended meanwhile, unless
    another worker has taken the row.
    """
    finished = outcome.state != "retry"
    result = connection.execute(
        update(outbox)
        .where(outbox.c.id == claimed.id, outbox.c.token == claimed.token)
        .values(
            state=outcome.state,
            reason=outcome.reason,
            due_at=outcome.due_at or outbox.c.due_at,
            finished_at=now if finished else None,
            published_at=outbox.c.published_at if finished else None,
            leased_until=None,
            last_error=_printable(outcome.detail),
            receipt=_receipt(outcome),
        )
    )
    return result.rowcount == 1


def sweep(connection: Connection, now: datetime) -> tuple[str, ...]:
    """Free what lost workers hold, and return the channels that must be woken again.

    A due row's channel is woken when `REPEAT` has passed since the last time, and from then on each time
    that the wait has doubled, up to `LONGEST_REPEAT`. Two sweepers may run.
    """
    _end_leases(connection, now)
    published, overdue = outbox.c.published_at, outbox.c.published_at - outbox.c.due_at
    patience = func.least(func.greatest(overdue, REPEAT), LONGEST_REPEAT)
    forgotten = (
        select(outbox.c.id)
        .where(
            _waiting(),
            outbox.c.due_at <= now,
            or_(published.is_(None), published + patience <= now),
            _first_of_its_key(),
        )
        .order_by(outbox.c.id)
        .limit(SWEEP_LIMIT)
        .with_for_update(skip_locked=True, of=outbox)
    )
    rows = connection.execute(
        update(outbox).where(outbox.c.id.in_(forgotten)).values(published_at=now).returning(outbox.c.channel)
    )
    return tuple(sorted(set(rows.scalars())))


def accounting(connection: Connection) -> dict[str, int]:
    """How many rows were created, and in which state they are.

    Returns:
        `created`, `open`, and each state of `STATES` by name. Always
        created = sent + dead + grouped + suppressed + open.
    """
    columns = [func.count().filter(outbox.c.state == state).label(state) for state in STATES]
    opened = func.count().filter(outbox.c.state.in_(OPEN)).label("open")
    row = connection.execute(select(func.count().label("created"), opened, *columns).select_from(outbox))
    return {name: int(count) for name, count in row.mappings().one().items()}


def _end_leases(connection: Connection, now: datetime) -> None:
    exhausted = outbox.c.attempts >= MAX_ATTEMPTS
    lost = (
        select(outbox.c.id)
        .where(outbox.c.state == "sending", outbox.c.leased_until < now)
        .order_by(outbox.c.id)
        .limit(SWEEP_LIMIT)
        .with_for_update(skip_locked=True)
    )
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(lost))
        .values(
            state=case((exhausted, "dead"), else_="retry"),
            reason="lease_ended",
            finished_at=case((exhausted, now)),
            due_at=now,
            published_at=None,
            last_error="the worker that was sending it did not report back",
        )
    )


def _claim(row: "Row[Any]", token: UUID) -> Claim:
    destination = Destination(row.channel, row.receiver, row.position, row.part)
    return Claim(row.id, row.delivery_id, destination, token, row.attempts, row.message, row.previous)


def _previous() -> "ScalarSelect[Any]":
    """The receipt of the notification of the same key that went out before, if that one was not the end."""
    earlier = outbox.alias("previous")
    newest = (
        select(earlier.c.id)
        .where(
            earlier.c.order_key == outbox.c.order_key, earlier.c.id < outbox.c.id, earlier.c.state == "sent"
        )
        .order_by(earlier.c.id.desc())
        .limit(1)
        .correlate(outbox)
        .scalar_subquery()
    )
    found = outbox.alias("continued")
    return (
        select(found.c.receipt)
        .where(found.c.id == newest, found.c.message["status"].astext == "firing")
        .correlate(outbox)
        .scalar_subquery()
    )


def _waiting() -> ColumnElement[bool]:
    return outbox.c.state.in_(("pending", "retry"))


def _first_of_its_key() -> ColumnElement[bool]:
    earlier = outbox.alias("earlier")
    same = and_(earlier.c.order_key == outbox.c.order_key, earlier.c.id < outbox.c.id)
    return ~exists().where(same, earlier.c.state.in_(OPEN)).correlate(outbox)


def _row(
    message: Message, destination: Destination, now: datetime, occasion: str, event_id: int | None
) -> dict[str, Any]:
    identity = delivery_id(occasion, destination)
    told = replace(
        message, delivery_id=identity, receiver=destination.receiver, part=destination.part, previous=None
    )
    return {
        "delivery_id": identity,
        "event_id": event_id,
        **destination._asdict(),
        "order_key": order_key(message.group_key, destination),
        "fingerprints": [alert.fingerprint for alert in message.alerts],
        "message": _MESSAGE.dump_python(told, mode="json"),
        "state": "pending",
        "due_at": now,
        "published_at": now,
    }


def _receipt(outcome: Outcome) -> Any:
    return _redacted(asdict(outcome.receipt)) if outcome.receipt else null()


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, dict):
        return {_printable(str(name)): _redacted(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(part) for part in value]
    return value if isinstance(value, int | None) else _printable(str(value))


def _printable(text: str) -> str:
    return clean(redact(text), ERROR_CAP)
