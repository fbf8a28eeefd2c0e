"""What goes wrong in us is counted and logged once, and reaches no host."""

import logging

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from watchfleet.instrument import faults as module
from watchfleet.instrument.faults import Faults, guarded


def test_a_fault_is_logged_once_and_counted_always(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults()
    for _ in range(3):
        faults.note("place", "ValueError", ValueError("no url redis://:hunter2hunter2@host/0"))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "hunter2" not in caplog.text
    assert faults.take() == {"place": 3}
    assert faults.take() == {}


def test_another_kind_of_fault_at_the_same_place_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults()
    faults.note("place", "ValueError")
    faults.note("place", "KeyError")
    assert len(caplog.records) == 2


def test_hostile_kinds_do_not_fill_the_memory() -> None:
    faults = Faults()
    for number in range(2 * module.MOST_PLACES):
        faults.note("place", f"kind {number}")
    assert len(faults._logged) == module.MOST_PLACES
    assert faults.take() == {"place": 2 * module.MOST_PLACES}


def test_a_guarded_function_swallows_what_it_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Faults()
    monkeypatch.setattr(module, "faults", own)

    @guarded("here")
    def fails() -> None:
        raise LookupError

    fails()
    assert own.take() == {"here": 1}


def test_a_tasks_soft_time_limit_passes_through() -> None:
    """It strikes wherever the task happens to be, and the task must hear of it."""

    @guarded("here")
    def struck() -> None:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        struck()
