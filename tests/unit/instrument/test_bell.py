"""A bell is heard once however often it was rung, and never missed."""

import threading

from watchfleet.instrument.bell import Bell


def test_rings_before_a_wait_are_one() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    bell.wait()
    assert bell._rings.empty()


def test_every_ring_after_work_was_left_is_heard() -> None:
    """Work is left first and the bell rung then. A ring that got lost would have this wait for ever."""
    bell, left, found = Bell(), list[int](), 0

    def work() -> None:
        for number in range(5000):
            left.append(number)
            bell.ring()

    worker = threading.Thread(target=work)
    worker.start()
    while found < 5000:
        bell.wait()
        found = len(left)
    worker.join()
