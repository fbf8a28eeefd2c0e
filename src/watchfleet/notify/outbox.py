"""The transactional outbox: what must be told to whom, until it is told.

A row is written for each destination, in the transaction of what it tells of. A worker claims it by a
guarded UPDATE that sets a token and a lease, sends, and records the outcome, which only the holder of the
token may. Rows of one order key (a group of alerts at a destination) go out in the order of their ids: a row
is not claimed while an earlier one is open. Retries wait here. A lost worker's lease ends, a lost wake-up is
repeated, both by `sweep`. Every row ends as sent, dead, grouped or suppressed.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID, uuid4

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Row,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    case,
    exists,
    select,
    text,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from watchfleet.db.tables import outbox
from watchfleet.errors import DeliveryError
from watchfleet.model import Destination, Message, Receipt
from watchfleet.notify import gates
from watchfleet.notify.gate import Gate, admit
from watchfleet.notify.identity import delivery_id, order_key
from watchfleet.notify.receivers import Receivers

DEADLINE: Final = timedelta(seconds=15)
"""The longest that a channel may take for one notification."""
LEASE: Final = timedelta(seconds=30)
"""How long a claim holds; above the deadline, so that no row is sent twice while its sender lives."""
BATCH: Final = 200
PAGE: Final = 16_000_000
"""Characters of rows that are written by one statement, above which a single row has its own."""
CREATED: Final = "notifications_created_total"
PRUNED: Final = "notifications_pruned_total"
PUBLISHED_AT_ONCE: Final = 5_000
OPEN: Final = ("pending", "sending", "retry")
STATES: Final = (*OPEN, "sent", "dead", "grouped", "suppressed")
_DESTINATION: Final = (outbox.c.channel, outbox.c.receiver, outbox.c.position, outbox.c.part)
_MESSAGE: Final = TypeAdapter(Message)
# Made once: an alias takes milliseconds, and every claim needs them.
_EARLIER, _DIGEST, _CONTINUED = (outbox.alias(name) for name in ("earlier", "digest", "continued"))
_RECEIPT: Final = TypeAdapter(Receipt)
_INSERT: Final = text(
    """
    WITH written AS (
        INSERT INTO outbox (
            delivery_id, event_id, channel, receiver, "position", part, order_key, fingerprints, message,
            instead_of, state, reason, due_at, published_at, finished_at
        )
        SELECT delivery_id, event_id, channel, receiver, "position", part, order_key, fingerprints, message,
               instead_of, state, reason, due_at, published_at, finished_at
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
            delivery_id text, event_id bigint, channel text, receiver text, "position" smallint, part text,
            order_key text, fingerprints text[], message jsonb, instead_of bigint, state text, reason text,
            due_at timestamptz, published_at timestamptz, finished_at timestamptz
        )
        ON CONFLICT (delivery_id) DO NOTHING
        RETURNING channel
    )
    INSERT INTO counter_delta (name, labels, value)
    SELECT :counter, jsonb_build_object('channel', channel), count(*) FROM written GROUP BY channel
    """
)


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
    def correlation_id(self) -> str | None:
        """The id that all alerts of it were raised under, if there is one."""
        try:
            found = self.content["common_annotations"]["correlation_id"]
        except (KeyError, TypeError):  # there is none, or it cannot be read, which the try to send it says
            return None
        return found if isinstance(found, str) else None

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


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim took.

    Attributes:
        claims: The rows that are ours.
        exhausted: Whether nothing was due whose gate is open.
    """

    claims: tuple[Claim, ...]
    exhausted: bool


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
        _insert(
            connection,
            [_row(message, destination, now, occasion, event_id) for destination in destinations],
        )
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
        _insert(connection, rows)
    return tuple(dict.fromkeys(each.destination.channel for each in notices if not each.suppressed))


def _standing(suppressed: str, now: datetime, *, published: bool) -> dict[str, Any]:
    at = now.isoformat()
    if suppressed:
        return {"state": "suppressed", "reason": suppressed, "published_at": None, "finished_at": at}
    return {"state": "pending", "reason": "", "published_at": at if published else None, "finished_at": None}


def publish(connection: Connection, now: datetime) -> tuple[str, ...]:
    """The channels of rows that are due and whose writer left it to others to wake them; each row once."""
    waiting = (
        select(outbox.c.id)
        .where(outbox.c.state == "pending", outbox.c.published_at.is_(None), outbox.c.due_at <= now)
        .order_by(outbox.c.id)
        .limit(PUBLISHED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(
        update(outbox).where(outbox.c.id.in_(waiting)).values(published_at=now).returning(outbox.c.channel)
    )
    return tuple(sorted(set(rows.scalars())))


def claim(
    connection: Connection, channel: str, receivers: Receivers, now: datetime, limit: int = BATCH
) -> Claimed:
    """Take the channel's longest due rows for `LEASE`, as many as their destinations' gates let through.

    The caller commits before it sends.
    """
    due = {"channel": channel, "now": now, "limit": limit}
    candidates = connection.execute(_candidates(), due).all()
    admitted = _admitted(connection, candidates, receivers, now)
    if not admitted:
        return Claimed((), exhausted=not candidates)
    token = uuid4()
    rows = connection.execute(_take(), {"admitted": admitted, "token": token, "leased_until": now + LEASE})
    claims = {row.id: _claim(row, token) for row in rows}
    return Claimed(tuple(claims[id_] for id_ in admitted if id_ in claims), exhausted=not candidates)


def release(connection: Connection, claims: Sequence[Claim]) -> None:
    """Put back rows that were claimed and not tried."""
    for claimed in claims:
        connection.execute(
            update(outbox)
            .where(outbox.c.id == claimed.id, outbox.c.token == claimed.token)
            .values(
                state=case((outbox.c.attempts > 1, "retry"), else_="pending"),
                attempts=outbox.c.attempts - 1,
                leased_until=None,
                published_at=None,
            )
        )


def tell_fallbacks(
    connection: Connection, dead: Sequence[int], receivers: Receivers, now: datetime
) -> tuple[str, ...]:
    """Write the rows of those who are told instead, in the transaction in which others end as dead.

    A fallback has no fallback of its own, so that nothing goes round in circles.

    Returns:
        The channels to wake once the transaction has committed.
    """
    if not dead:
        return ()
    told = connection.execute(
        select(outbox.c.id, outbox.c.delivery_id, outbox.c.event_id, *_DESTINATION, outbox.c.message).where(
            outbox.c.id.in_(dead), outbox.c.instead_of.is_(None)
        )
    )
    new = [
        {**_stored_row(row.message, fallback, now, f"instead of {row.delivery_id}"), "event_id": row.event_id}
        | {"instead_of": row.id}
        for row in told
        for fallback in receivers.fallbacks(_destination(row))
    ]
    if new:
        _insert(connection, new)
    return tuple(dict.fromkeys(row["channel"] for row in new))


def replay(connection: Connection, ids: Sequence[int], now: datetime) -> int:
    """Have dead rows tried again, as if for the first time; returns how many. The dispatcher wakes them."""
    rows = connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(ids), outbox.c.state == "dead")
        .values(
            state="pending", reason="replayed", attempts=0, due_at=now, published_at=None, finished_at=None
        )
    )
    return int(rows.rowcount)


def waiting() -> ColumnElement[bool]:
    """Whether a row waits for its first or its next try."""
    return outbox.c.state.in_(("pending", "retry"))


def is_next() -> ColumnElement[bool]:
    """Whether a row waits, and nothing of its order key that must go out before it is open.

    A row that a digest tells of goes out with that digest.
    """
    earlier, digest = _EARLIER, _DIGEST
    same = and_(earlier.c.order_key == outbox.c.order_key, earlier.c.id < outbox.c.id)
    unfinished = exists().where(same, earlier.c.state.in_(OPEN)).correlate(outbox)
    in_a_digest = (
        exists()
        .where(
            same, earlier.c.state == "grouped", digest.c.id == earlier.c.digest_id, digest.c.state.in_(OPEN)
        )
        .correlate(outbox)
    )
    return and_(waiting(), ~unfinished, ~in_a_digest)


# A statement takes milliseconds to make, and every claim needs these.
@cache
def _candidates() -> Select[Any]:
    now = bindparam("now", type_=DateTime(timezone=True))
    return (
        select(outbox.c.id, *_DESTINATION)
        .where(
            outbox.c.channel == bindparam("channel"), outbox.c.due_at <= now, is_next(), gates.is_open(now)
        )
        .order_by(outbox.c.due_at, outbox.c.id)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True, of=outbox)
    )


@cache
def _take() -> ReturningUpdate[Any]:
    return (
        update(outbox)
        .where(outbox.c.id.in_(bindparam("admitted", expanding=True)), waiting())
        .values(
            state="sending",
            token=bindparam("token"),
            leased_until=bindparam("leased_until"),
            attempts=outbox.c.attempts + 1,
        )
        .returning(
            outbox.c.id,
            outbox.c.delivery_id,
            *_DESTINATION,
            outbox.c.attempts,
            outbox.c.message,
            _previous().label("previous"),
        )
    )


def _admitted(
    connection: Connection, candidates: Sequence[Any], receivers: Receivers, now: datetime
) -> list[int]:
    """The rows that the gates let through, in their order."""
    by_gate: dict[gates.Key, list[Any]] = defaultdict(list)
    for row in candidates:
        by_gate[row.channel, row.receiver, row.position].append(row)
    before = gates.lock(connection, by_gate, now)
    after: dict[gates.Key, Gate] = {}
    admitted: set[int] = set()
    for key, rows in by_gate.items():
        config = receivers.config(_destination(rows[0]))
        rate = config.rate_limit if config else 0.0
        count, after[key] = admit(before[key], len(rows), rate, now, LEASE)
        admitted.update(row.id for row in rows[:count])
    gates.save(connection, before, after)
    return [row.id for row in candidates if row.id in admitted]


def _destination(row: Any) -> Destination:
    return Destination(row.channel, row.receiver, row.position, row.part)


def _claim(row: "Row[Any]", token: UUID) -> Claim:
    return Claim(row.id, row.delivery_id, _destination(row), token, row.attempts, row.message, row.previous)


def _previous() -> "ScalarSelect[Any]":
    """The receipt of the notification of the same key that went out before, if that one was not the end."""
    earlier, found = _EARLIER, _CONTINUED
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
    return (
        select(found.c.receipt)
        .where(found.c.id == newest, found.c.message["status"].astext == "firing")
        .correlate(outbox)
        .scalar_subquery()
    )


def _insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows and count them; a delivery that is there already is left as it is."""
    for page in _pages(rows):
        connection.execute(_INSERT, {"rows": page, "counter": CREATED})


def _pages(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows as lists in JSON, none of which is too long for PostgreSQL."""
    page, size = list[str](), 0
    for row in map(json.dumps, rows):
        if page and size + len(row) > PAGE:
            yield f"[{','.join(page)}]"
            page, size = [], 0
        page.append(row)
        size += len(row)
    yield f"[{','.join(page)}]"


def _row(
    message: Message, destination: Destination, now: datetime, occasion: str, event_id: int | None
) -> dict[str, Any]:
    return {
        **_stored_row(_MESSAGE.dump_python(message, mode="json"), destination, now, occasion),
        "event_id": event_id,
    }


def _stored_row(content: Any, destination: Destination, now: datetime, occasion: str) -> dict[str, Any]:
    identity = delivery_id(occasion, destination)
    told = {
        **content,
        "delivery_id": identity,
        "receiver": destination.receiver,
        "part": destination.part,
        "previous": None,
    }
    return {
        "delivery_id": identity,
        **destination._asdict(),
        "order_key": order_key(content.get("group_key", ""), destination),
        "fingerprints": [alert["fingerprint"] for alert in content.get("alerts", ())],
        "message": told,
        "state": "pending",
        "reason": "",
        "due_at": now.isoformat(),
        "published_at": now.isoformat(),
    }
