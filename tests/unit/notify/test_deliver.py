"""How many threads of a process may drain one channel."""

from watchfleet.notify.deliver import Lane


def test_a_lane_takes_so_many_and_no_more() -> None:
    lane = Lane(2)
    assert [lane.enter() for _ in range(4)] == [True, True, False, False]
    lane.leave()
    assert lane.enter()


def test_who_leaves_learns_once_that_somebody_was_turned_away() -> None:
    lane = Lane(1)
    assert lane.enter()
    assert not lane.enter()
    assert lane.leave()
    assert lane.enter()
    assert not lane.leave()
