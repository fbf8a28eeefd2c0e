"""Which beat leads, and which slots of the schedule have been claimed.

Any number of beats may run; one leads. A beat that wins a campaign gets a term, numbered by `epoch`, and
holds the advisory lock (`Lock.BEAT`, epoch) as long as its session lives. A term ends in one of two ways: the
session is gone, so that its lock is free, or the leader has not ticked for `LEASE` by the server's clock: a
stopped or cut-off leader keeps its session, and its lock. The next term has a lock of its own.

Every statement here is a transaction of its own, on a connection in autocommit: a beat that stops between
two of them holds no row. All instants are of the server's clock, the only one that all beats share.

A slot is claimed and committed before its message is sent, by the holder of the present term alone. Hence no
slot is ever sent by two leaders. A beat that dies in the millisecond between the two leaves that one slot
unsent, and its task runs at the next.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, select, text

from watchfleet.clock import slot_start
from watchfleet.db.locks import Lock
from watchfleet.db.tables import beat_entry

LEASE: Final = timedelta(seconds=2)
"""How long a leader may be silent; beats tick every second."""
BACKWARDS: Final = timedelta(minutes=1)
"""A recorded slot further in the future was claimed before the server's clock was set back."""
NEVER: Final = datetime.fromtimestamp(0, UTC)
"""The slot of an entry that never ran."""

_OFFICE = text("INSERT INTO beat_leader VALUES (1, 0, '', :never) ON CONFLICT DO NOTHING")
_CAMPAIGN = text(
    """
    WITH won AS (
        UPDATE beat_leader
        SET epoch = epoch + 1, holder = :holder, ticked_at = clock_timestamp()
        WHERE id = 1 AND (
            ticked_at < clock_timestamp() - :lease
            OR pg_try_advisory_xact_lock(:lock, (epoch % 2147483647)::int)
        )
        RETURNING epoch, pg_try_advisory_lock(:lock, (epoch % 2147483647)::int)
    )
    SELECT (SELECT epoch FROM won) AS epoch, clock_timestamp() AS now, ticked_at + :lease AS lapses_at
    FROM beat_leader WHERE id = 1
    """
)
_CLAIM = text(
    """
    WITH leader AS (
        UPDATE beat_leader SET ticked_at = clock_timestamp() WHERE id = 1 AND epoch = :epoch
        RETURNING ticked_at
    ), claimed AS (
        INSERT INTO beat_entry AS entry (name, slot, runs)
        SELECT due.name, due.slot, 1
        FROM leader, unnest(CAST(:names AS text[]), CAST(:slots AS timestamptz[])) AS due (name, slot)
        ON CONFLICT (name) DO UPDATE SET slot = excluded.slot, runs = entry.runs + 1
        WHERE entry.slot < excluded.slot OR entry.slot > clock_timestamp() + :backwards
        RETURNING name
    )
    SELECT ticked_at, ARRAY(SELECT name FROM claimed) AS names FROM leader
    """
)
_GIVE_BACK = text("UPDATE beat_entry SET slot = :before, runs = runs - 1 WHERE name = :name AND slot = :slot")
_RECORDED = select(beat_entry.c.name, beat_entry.c.slot).where(
    beat_entry.c.name.in_(bindparam("names", expanding=True))
)


class Campaign(NamedTuple):
    """The outcome of standing for leader.

    Attributes:
        epoch: The number of the term that was won, or None: another beat leads.
        now: The server's time.
        lapses_at: When the present leader's lease ends unless it ticks.
    """

    epoch: int | None
    now: datetime
    lapses_at: datetime


class Claim(NamedTuple):
    """What the leader may send.

    Attributes:
        now: The server's time.
        names: The entries whose slots were claimed, of those that were asked for.
    """

    now: datetime
    names: frozenset[str]


def due_slots(
    periods: Mapping[str, timedelta], recorded: Mapping[str, datetime], now: datetime
) -> dict[str, datetime]:
    """The slots that should be claimed: each entry's present one, unless it was claimed already.

    Slots that were missed in between are left out: what fell into a gap runs once.

    Args:
        periods: Each entry's period, by its name.
        recorded: The slot that was claimed last, by the entry's name.
        now: The server's time.
    """
    found = {name: slot_start(now, period) for name, period in periods.items()}
    return {name: slot for name, slot in found.items() if _is_open(slot, recorded.get(name, NEVER), now)}


def _is_open(slot: datetime, last: datetime, now: datetime) -> bool:
    return last < slot or last > now + BACKWARDS


def campaign(connection: Connection, holder: str) -> Campaign:
    """Stand for leader: won when there is none, or when it has been silent for `LEASE`.

    Args:
        connection: In autocommit; the term lasts as long as its session, if it is won.
        holder: Who stands, for people: `host:pid`.
    """
    connection.execute(_OFFICE, {"never": NEVER})
    parameters = {"holder": holder, "lease": LEASE, "lock": int(Lock.BEAT)}
    row = connection.execute(_CAMPAIGN, parameters).one()
    return Campaign(row.epoch, row.now, row.lapses_at)


def recorded_slots(connection: Connection, names: list[str]) -> dict[str, datetime]:
    """The slot that was claimed last, for each of these entries that ever ran."""
    return {row.name: row.slot for row in connection.execute(_RECORDED, {"names": names})}


def claim(connection: Connection, epoch: int, slots: Mapping[str, datetime]) -> Claim | None:
    """Tick: renew the lease, and claim slots for sending; None when the term is over.

    Args:
        connection: In autocommit.
        epoch: The term that `campaign` won.
        slots: What is due, by the entry's name; may be empty.
    """
    row = connection.execute(
        _CLAIM,
        {"epoch": epoch, "names": list(slots), "slots": list(slots.values()), "backwards": BACKWARDS},
    ).one_or_none()
    return None if row is None else Claim(row.ticked_at, frozenset(row.names))


def give_back(connection: Connection, name: str, slot: datetime, before: datetime) -> None:
    """Undo the claim of a slot that could not be sent, unless a later one has been claimed since.

    Args:
        connection: In autocommit.
        name: The entry.
        slot: What was claimed.
        before: What was claimed before it, or `NEVER`.
    """
    connection.execute(_GIVE_BACK, {"name": name, "slot": slot, "before": before})
