"""Where the gates of destinations are kept."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from watchfleet.db.tables import notify_gate, outbox
from watchfleet.model import Destination
from watchfleet.notify.gate import TRIPPED, Gate, after
from watchfleet.notify.retry import Outcome

_TROUBLED: Final = text(
    """
    SELECT channel, receiver, "position" FROM notify_gate
    JOIN unnest(CAST(:channels AS text[]), CAST(:receivers AS text[]), CAST(:positions AS smallint[]))
        AS asked (channel, receiver, "position") USING (channel, receiver, "position")
    WHERE failures > 0 OR open_until IS NOT NULL
    """
)
Key = tuple[str, str, int]
"""Channel, receiver and position: those who share an address, whatever their part."""


def key_of(destination: Destination) -> Key:
    """Which gate a destination is behind."""
    return destination.channel, destination.receiver, destination.position


def lock(connection: Connection, keys: Iterable[Key], now: datetime) -> dict[Key, Gate]:
    """The gates, held until the transaction ends; new ones are open.

    Keys are locked in their order, so that no two transactions wait for each other.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    new = [dict(zip(("channel", "receiver", "position"), key, strict=True)) for key in wanted]
    connection.execute(
        insert(notify_gate)
        .values([{**key, "tokens": 1.0, "refilled_at": now, "failures": 0} for key in new])
        .on_conflict_do_nothing()
    )
    rows = connection.execute(
        select(notify_gate)
        .where(tuple_(notify_gate.c.channel, notify_gate.c.receiver, notify_gate.c.position).in_(wanted))
        .order_by(notify_gate.c.channel, notify_gate.c.receiver, notify_gate.c.position)
        .with_for_update()
    )
    return {
        (row.channel, row.receiver, row.position): Gate(
            row.tokens, row.refilled_at, row.token_at, row.failures, row.failing_since, row.open_until
        )
        for row in rows
    }


def save(connection: Connection, before: Mapping[Key, Gate], gates: Mapping[Key, Gate]) -> None:
    """Write those that changed."""
    for key, gate in gates.items():
        if gate != before.get(key):
            connection.execute(update(notify_gate).where(_is(key)).values(**asdict(gate)))


def settle(
    connection: Connection, outcomes: Iterable[tuple[Destination, Outcome]], now: datetime
) -> set[Key]:
    """Have the gates learn what tries came to; returns those whose breaker is open.

    Nothing is locked when there is nothing to learn: a success of a destination that is well.
    """
    found: dict[Key, list[Outcome]] = defaultdict(list)
    for destination, outcome in outcomes:
        found[key_of(destination)].append(outcome)
    calm = {key for key, told in found.items() if all(each.state != "retry" for each in told)}
    if calm:
        calm -= _troubled(connection, calm)
    before = lock(connection, found.keys() - calm, now)
    gates = dict(before)
    for key in before:
        for outcome in found[key]:
            gates[key] = after(gates[key], outcome, now)
    save(connection, before, gates)
    return {key for key, gate in gates.items() if gate.open_until is not None and gate.open_until > now}


def opens_at() -> ColumnElement[datetime]:
    """When the gate of a row of the outbox lets the next one through; NULL when nothing holds it."""
    times = func.greatest(notify_gate.c.token_at, notify_gate.c.open_until)
    return select(times).where(_of_row()).correlate(outbox).scalar_subquery()


def is_open(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Whether the gate of a row of the outbox lets something through now."""
    closed = or_(notify_gate.c.token_at > now, notify_gate.c.open_until > now)
    return ~exists().where(_of_row(), closed).correlate(outbox)


def failing_since() -> ColumnElement[datetime]:
    """Since when the destination of a row of the outbox fails; NULL when its breaker is closed."""
    return (
        select(notify_gate.c.failing_since)
        .where(_of_row(), notify_gate.c.failures >= TRIPPED)
        .correlate(outbox)
        .scalar_subquery()
    )


def _troubled(connection: Connection, keys: Iterable[Key]) -> set[Key]:
    channels, receivers, positions = zip(*keys, strict=True)
    asked = {"channels": list(channels), "receivers": list(receivers), "positions": list(positions)}
    return {tuple(row) for row in connection.execute(_TROUBLED, asked)}


def _of_row() -> ColumnElement[bool]:
    return and_(
        notify_gate.c.channel == outbox.c.channel,
        notify_gate.c.receiver == outbox.c.receiver,
        notify_gate.c.position == outbox.c.position,
    )


def _is(key: Key) -> ColumnElement[bool]:
    channel, receiver, position = key
    return and_(
        notify_gate.c.channel == channel,
        notify_gate.c.receiver == receiver,
        notify_gate.c.position == position,
    )
