"""A burst ends by itself, whatever does not come."""

import time
import tracemalloc
from collections.abc import Iterator

import pytest
from support.servers import wait_until

from watchfleet.instrument import bursts as module
from watchfleet.instrument.bursts import MOST_SECONDS, MOST_TASKS, Bursts, Order

KEPT: list[bytes] = []


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    """What was reported: whose, and the fields with the lines."""
    found: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(
        module,
        "report",
        lambda _name, process, fields, lines=(): found.append((process, {**fields, "lines": lines})),
    )
    return found


@pytest.fixture
def bursts() -> Iterator[Bursts]:
    found = Bursts()
    yield found
    found.finish()
    assert not tracemalloc.is_tracing()


def order(tasks: int = 8, seconds: float = 60.0, until: float = 60.0) -> Order:
    return Order("a1", tasks, seconds, time.time() + until)


def work(bursts: Bursts, times: int) -> None:
    for number in range(times):
        KEPT.append(bytes(10_000 + number))
        bursts.worked("grow")


def test_after_its_tasks(bursts: Bursts, told: list[tuple[str, dict[str, object]]]) -> None:
    bursts.begin(order(), "shop/0")
    work(bursts, 7)
    assert told == []
    work(bursts, 1)
    ((process, fields),) = told
    assert (process, fields["tasks"], fields["ran"]) == ("shop/0", 8, '{"grow": 8}')
    assert fields["lines"][0]["source"] == "KEPT.append(bytes(10_000 + number))"  # type: ignore[index]  # a list
    work(bursts, 1)
    assert len(told) == 1


def test_after_its_seconds_though_no_task_ends(
    bursts: Bursts, told: list[tuple[str, dict[str, object]]]
) -> None:
    bursts.begin(order(seconds=0.1), "shop/0")
    wait_until(lambda: bool(told))
    assert told[0][1]["error"] == "too few tasks ended meanwhile"


def test_when_its_records_take_too_much(
    bursts: Bursts, told: list[tuple[str, dict[str, object]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BOOKKEEPING", 1)
    bursts.begin(order(tasks=1000), "shop/0")
    work(bursts, 1)
    assert told[0][1]["tasks"] == 1


def test_when_its_process_ends(bursts: Bursts, told: list[tuple[str, dict[str, object]]]) -> None:
    bursts.begin(order(tasks=1000), "shop/0")
    work(bursts, 20)
    bursts.finish()
    assert told[0][1]["tasks"] == 20
    assert told[0][1]["lines"]


def test_it_does_not_begin_too_late_or_beside_another(
    bursts: Bursts, told: list[tuple[str, dict[str, object]]]
) -> None:
    bursts.begin(order(until=-1), "shop/0")
    assert not tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        bursts.begin(order(), "shop/0")
    finally:
        tracemalloc.stop()
    assert told[0][1]["error"] == "tracemalloc is in use in this process already"


def test_an_order_is_bounded_whatever_it_says() -> None:
    found = Order.read({"id": "a", "tasks": 10**9, "seconds": "1e9", "until": 5})
    assert (found.tasks, found.seconds) == (MOST_TASKS, MOST_SECONDS)
    for broken in ({}, [], {"id": 1, "tasks": "many", "seconds": 1, "until": 1}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            Order.read(broken)
