"""Storms: more new notifications for one destination than anyone reads become one that tells of them all."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, and_, func, select, update

from watchfleet.db.tables import outbox
from watchfleet.model import AlertFacts, Destination
from watchfleet.notify import outbox as rows
from watchfleet.notify.identity import delivery_id
from watchfleet.notify.message import message_of
from watchfleet.notify.receivers import Receivers

WINDOW: Final = timedelta(minutes=1)
LARGEST: Final = 10_000
REASON: Final = "digest"
_ALERTS: Final = TypeAdapter(list[AlertFacts])


def fold(connection: Connection, channel: str, receivers: Receivers, now: datetime) -> int:
    """Group what waits for a destination when it is more than the destination's `digest_over`.

    Only what nobody has tried yet is grouped, and nothing that waits for what is being tried. Two may run.

    Returns:
        How many digests were written.
    """
    limits = dict(_limits(channel, receivers))
    if not limits:
        return 0
    crowded = [each for each, count in _counts(connection, channel, now) if 0 < limits.get(each, 0) < count]
    return sum(_fold_one(connection, destination, now) for destination in crowded)


def _limits(channel: str, receivers: Receivers) -> Iterator[tuple[Destination, int]]:
    for receiver in receivers.by_name.values():
        for position, config in enumerate(receiver.configs(channel)):
            if config.digest_over:
                for part in config.parts:
                    yield Destination(channel, receiver.name, position, part), config.digest_over


def _counts(connection: Connection, channel: str, now: datetime) -> list[tuple[Destination, int]]:
    columns = (outbox.c.channel, outbox.c.receiver, outbox.c.position, outbox.c.part)
    found = connection.execute(
        select(*columns, func.count())
        .where(
            outbox.c.channel == channel,
            outbox.c.state == "pending",
            outbox.c.due_at <= now,
            outbox.c.due_at > now - WINDOW,
        )
        .group_by(*columns)
    )
    return [(Destination(*row[:4]), row[4]) for row in found]


def _fold_one(connection: Connection, destination: Destination, now: datetime) -> bool:
    children = _readable(_foldable(connection, _pending(connection, destination, now)))
    if len(children) < 2:
        return False
    newest = {alert.fingerprint: alert for _, alerts in children for alert in alerts}
    message = message_of(
        list(newest.values()),
        receiver=destination.receiver,
        group_key=f"digest of {destination}",
        group_labels={},
        reason=REASON,
    )
    ids = [row_id for row_id, _ in children]
    occasion = f"digest of {ids}"
    rows.enqueue(connection, message, [destination], now, occasion=occasion)
    digest = select(outbox.c.id).where(outbox.c.delivery_id == delivery_id(occasion, destination))
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(ids))
        .values(state="grouped", reason=REASON, digest_id=digest.scalar_subquery(), finished_at=now)
    )
    return True


def _pending(connection: Connection, destination: Destination, now: datetime) -> Sequence[Any]:
    return connection.execute(
        select(outbox.c.id, outbox.c.order_key, outbox.c.message)
        .where(
            and_(*(outbox.c[name] == value for name, value in destination._asdict().items())),
            outbox.c.state == "pending",
            outbox.c.due_at <= now,
        )
        .order_by(outbox.c.id)
        .limit(LARGEST)
        .with_for_update(skip_locked=True, of=outbox)
    ).all()


def _foldable(connection: Connection, pending: Sequence[Any]) -> list[Any]:
    """Those before which nothing of their key is open that is not among them, too."""
    found, ours = {row.id: row for row in pending}, []
    open_rows = connection.execute(
        select(outbox.c.id, outbox.c.order_key)
        .where(outbox.c.order_key.in_({row.order_key for row in pending}), outbox.c.state.in_(rows.OPEN))
        .order_by(outbox.c.id)
    )
    held: set[str] = set()
    for row in open_rows:
        if row.id not in found:
            held.add(row.order_key)
        elif row.order_key not in held:
            ours.append(found[row.id])
    return ours


def _readable(children: Sequence[Any]) -> list[tuple[int, list[AlertFacts]]]:
    """The rows with their alerts; one that cannot be read is left to end by itself."""
    found = []
    for row in children:
        try:
            found.append((int(row.id), _ALERTS.validate_python(row.message["alerts"])))
        except (ValidationError, KeyError, TypeError):
            continue
    return found
