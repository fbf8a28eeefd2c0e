"""The bounded buffer: nothing is lost without being counted."""

from hypothesis import given
from hypothesis import strategies as st

from watchfleet.instrument.buffer import DROPPED, FAULTS, Buffer, Series
from watchfleet.model import Event, Kind, Sample

COUNTED = Series("task_started_total", Kind.EVENT, {"task": "a"})


def sample(value: float) -> Sample:
    return Sample("temperature", {}, Kind.GAUGE, 1.0, value)


def event(account: str) -> Event:
    return Event("account_scraped", 1.0, "instagram", account, None, {})


def test_rows_leave_in_the_order_in_which_they_came() -> None:
    buffer = Buffer(10, {})
    for row in (sample(1), event("a"), sample(2), event("b")):
        buffer.append(row)
    assert buffer.cut(3) == ([sample(1), sample(2)], [event("a")], [])
    assert buffer.cut(3) == ([], [event("b")], [])
    assert buffer.empty()


def test_the_oldest_rows_give_way_and_are_counted_by_their_kind() -> None:
    buffer = Buffer(3, {"service": "app"})
    for row in (event("a"), sample(1), sample(2), sample(3), sample(4), sample(5)):
        buffer.append(row)
    assert buffer.cut(9).samples == [sample(3), sample(4), sample(5)]
    buffer.settle({})
    told = {(row.name, row.labels["rows"], row.labels["service"]): row.value for row in buffer.cut(9).samples}
    assert told == {(DROPPED, "events", "app"): 1, (DROPPED, "samples", "app"): 2}


def test_a_count_is_one_sample_however_often_it_was_added_to() -> None:
    buffer = Buffer(10, {})
    for _ in range(1000):
        buffer.count(COUNTED)
    assert len(buffer) == 0
    assert not buffer.empty()
    buffer.settle({})
    ((name, labels, kind, _, value),) = buffer.cut(9).samples
    assert (name, labels, kind, value) == ("task_started_total", {"task": "a"}, Kind.EVENT, 1000)


def test_faults_are_told_by_place() -> None:
    buffer = Buffer(10, {})
    buffer.settle({"celery.ended": 3})
    ((name, labels, *_, value),) = buffer.cut(9).samples
    assert (name, labels, value) == (FAULTS, {"place": "celery.ended"}, 3)


@given(capacity=st.integers(1, 20), cuts=st.lists(st.integers(0, 15), max_size=12))
def test_what_came_is_what_left_and_what_was_dropped(capacity: int, cuts: list[int]) -> None:
    buffer, came, left = Buffer(capacity, {}), 0, 0
    for size in cuts:
        for _ in range(size):
            buffer.append(sample(came))
            came += 1
        left += len(buffer.cut(size // 2).samples)
        assert len(buffer) <= capacity
    left += len(buffer.cut(capacity).samples)
    buffer.settle({})
    dropped = sum(row.value for row in buffer.cut(capacity).samples if row.name == DROPPED)
    assert came == left + dropped
