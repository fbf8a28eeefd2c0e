"""Terms and claims on real PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, NullPool, create_engine, make_url, select, text, update
from support.servers import wait_until

from watchfleet.db.leadership import LEASE, NEVER, campaign, claim, give_back, recorded_slots
from watchfleet.db.tables import beat_entry, beat_leader

HOUR = timedelta(hours=1)


@pytest.fixture
def session(database_url: str) -> Iterator[Callable[[], Connection]]:
    """Opens sessions in autocommit."""
    url = make_url(database_url).set(drivername="postgresql+psycopg2")
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with ExitStack() as open_sessions:
        yield lambda: open_sessions.enter_context(engine.connect())


def won(connection: Connection, name: str = "beat") -> int:
    """The epoch of a term that this session wins."""
    epoch = campaign(connection, name).epoch
    assert epoch is not None
    return epoch


def fall_silent(connection: Connection) -> None:
    """As if the leader had not ticked for longer than its lease."""
    connection.execute(update(beat_leader).values(ticked_at=beat_leader.c.ticked_at - 2 * LEASE))


def now(connection: Connection) -> datetime:
    return connection.scalar(text("SELECT date_trunc('second', clock_timestamp())"))


def test_one_leads_and_the_others_wait(session):
    leader, standby = session(), session()
    won(leader, "first")
    outcome = campaign(standby, "second")
    assert outcome.epoch is None
    assert timedelta(0) < outcome.lapses_at - outcome.now <= LEASE
    assert leader.scalar(select(beat_leader.c.holder)) == "first"


def test_the_term_of_a_session_that_is_gone_is_over_at_once(session):
    leader, standby = session(), session()
    epoch = won(leader)
    standby.execute(update(beat_leader).values(ticked_at=beat_leader.c.ticked_at + HOUR))  # never lapses
    leader.close()
    wait_until(lambda: campaign(standby, "standby").epoch == epoch + 1)


def test_a_leader_that_ticks_keeps_its_term(session):
    leader, standby = session(), session()
    epoch = won(leader)
    fall_silent(leader)
    assert claim(leader, epoch, {}) is not None
    assert campaign(standby, "standby").epoch is None


def test_a_silent_leader_is_replaced_and_can_claim_no_more(session):
    leader, standby = session(), session()
    epoch, slot = won(leader), now(leader)
    fall_silent(leader)
    new = won(standby)
    assert claim(leader, epoch, {"a": slot}) is None
    assert recorded_slots(standby, ["a"]) == {}
    granted = claim(standby, new, {"a": slot})
    assert granted is not None
    assert granted.names == {"a"}


def test_of_many_candidates_one_wins_each_term(session):
    connections = [session() for _ in range(6)]
    won(connections[0])
    barrier = threading.Barrier(len(connections))

    def stand(connection: Connection) -> int | None:
        barrier.wait()
        return campaign(connection, "one of many").epoch

    with ThreadPoolExecutor(len(connections)) as pool:
        for _ in range(10):
            fall_silent(connections[0])
            winners = [epoch for epoch in pool.map(stand, connections) if epoch is not None]
            assert len(winners) == 1


def test_a_slot_is_granted_once(session):
    leader = session()
    epoch, slot = won(leader), now(leader)
    claims = [
        claim(leader, epoch, {"a": slot, "b": slot}),
        claim(leader, epoch, {"a": slot, "b": slot + HOUR}),
    ]
    assert [one and one.names for one in claims] == [{"a", "b"}, {"b"}]
    runs = {row.name: row.runs for row in leader.execute(select(beat_entry))}
    assert runs == {"a": 1, "b": 2}


def test_an_older_slot_is_not_granted(session):
    leader = session()
    epoch, slot = won(leader), now(leader)
    claim(leader, epoch, {"a": slot})
    late = claim(leader, epoch, {"a": slot - timedelta(seconds=1)})
    assert late is not None
    assert late.names == frozenset()


def test_a_slot_of_a_clock_that_was_set_back_is_granted(session):
    leader = session()
    epoch, slot = won(leader), now(leader)
    claim(leader, epoch, {"a": slot + HOUR})
    granted = claim(leader, epoch, {"a": slot})
    assert granted is not None
    assert granted.names == {"a"}


def test_a_slot_that_was_given_back_is_granted_again(session):
    leader = session()
    epoch, slot = won(leader), now(leader)
    claim(leader, epoch, {"a": slot})
    give_back(leader, "a", slot, NEVER)
    assert recorded_slots(leader, ["a"]) == {"a": NEVER}
    granted = claim(leader, epoch, {"a": slot})
    assert granted is not None
    assert granted.names == {"a"}


def test_giving_back_leaves_a_later_claim_alone(session):
    leader = session()
    epoch, slot = won(leader), now(leader)
    claim(leader, epoch, {"a": slot})
    claim(leader, epoch, {"a": slot + timedelta(seconds=1)})
    give_back(leader, "a", slot, NEVER)
    assert recorded_slots(leader, ["a"]) == {"a": slot + timedelta(seconds=1)}
