"""Windows beside windows, exactly."""

import numpy as np
import pytest

from watchfleet.metrics.trends import Reason, Unknown, with_before, with_past_weeks

HOUR, WEEK = 3600.0, 604_800.0
END = 1.76e9
TIMES = END - 60.0 * np.arange(1, 5 * 7 * 24 * 60)[::-1]


def test_a_window_and_the_one_before():
    values = np.where(TIMES >= END - 10 * HOUR, 30.0, 20.0)
    found = with_before(TIMES, values, END - 10 * HOUR, END)
    assert (found.now, found.before, found.absolute, found.relative) == (30.0, 20.0, 10.0, 0.5)


def test_a_change_from_zero_has_no_share():
    values = np.where(TIMES >= END - HOUR, 5.0, 0.0)
    assert with_before(TIMES, values, END - HOUR, END).relative is None


def test_a_change_of_a_negative_level_has_its_own_sign():
    values = np.where(TIMES >= END - HOUR, -5.0, -10.0)
    found = with_before(TIMES, values, END - HOUR, END)
    assert (found.absolute, found.relative) == (5.0, 0.5)


def test_the_same_hour_of_past_weeks():
    """Every other hour is far off: none of them counts."""
    age = END - TIMES
    values = np.where(age % WEEK <= HOUR, np.ceil(age / WEEK) * 10, 1e6)
    found = with_past_weeks(TIMES, values, END)
    assert (found.now, found.before, found.low, found.high, found.compared) == (10.0, 35.0, 20.0, 50.0, 4)


def test_weeks_without_values_are_left_out():
    kept = (END - TIMES) < 1.5 * WEEK
    assert with_past_weeks(TIMES[kept], TIMES[kept], END).compared == 1


@pytest.mark.parametrize(
    ("kept", "before", "weeks"),
    [
        (TIMES >= END, Reason.TOO_FEW_POINTS, Reason.TOO_FEW_POINTS),
        (TIMES >= END - HOUR, Reason.NOTHING_BEFORE, Reason.NO_PAST_WEEKS),
    ],
)
def test_what_is_missing_is_named(kept, before, weeks):
    times = TIMES[kept]
    assert with_before(times, times, END - HOUR, END) == Unknown(before)
    assert with_past_weeks(times, times, END) == Unknown(weeks)
