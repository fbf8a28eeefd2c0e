"""Events that their sender may send again: those with an `id` are stored once.

A batch keeps its id through every try, so the client needs none of this. It is for an application that, after
a crash, cannot know which of its reports went out, and sends them all again.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from watchfleet.model import Event

_NEW: Final = text(
    "INSERT INTO event_seen (id, seen_at) SELECT id, :now FROM unnest(CAST(:ids AS uuid[])) AS id"
    " ON CONFLICT DO NOTHING RETURNING id"
)


def new(connection: Connection, events: Sequence[Event], now: datetime) -> list[Event]:
    """The events that are not in the store, of those with an `id`; and all others.

    Waits for a transaction that is just storing one of them.
    """
    marks = [_mark(event) for event in events]
    first = {mark: place for place, mark in reversed(list(enumerate(marks))) if mark}
    if not first:
        return list(events)
    # In one order, so that two batches with events in common never wait for each other.
    rows = connection.scalars(_NEW, {"ids": [str(mark) for mark in sorted(first)], "now": now})
    fresh = {first[mark] for mark in rows}
    return [event for place, event in enumerate(events) if marks[place] is None or place in fresh]


def _mark(event: Event) -> UUID | None:
    """Identifies an event that has an `id`: the same id may serve several signals and accounts."""
    own = event.fields.get("id")
    if own is None:
        return None
    whole = repr((event.signal, event.platform, event.account, own)).encode("utf-8", "surrogatepass")
    return UUID(bytes=blake2b(whole, digest_size=16).digest())
