"""Days and weeks are seen where they are, and what is unusual for its hour stands out."""

import numpy as np
import pytest

from watchfleet.metrics.trends import Reason, Unknown, expectation, fit, periods, to_grid
from watchfleet.metrics.trends.season import adjusted

MONDAY = 1_759_708_800.0
STEPS = np.arange(28 * 48)
TIMES = MONDAY + 1800.0 * STEPS
DAY, WEEK = 86_400, 604_800


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(8).normal(size=len(STEPS))


DAILY = 5 * np.sin(STEPS / 48 * 2 * np.pi)
WEEKEND = 8.0 * (STEPS // 48 % 7 >= 5)


def test_days_weeks_and_neither(noise):
    assert periods(to_grid(TIMES, noise)) == ()
    assert periods(to_grid(TIMES, noise + DAILY)) == (DAY,)
    assert periods(to_grid(TIMES, noise + DAILY + WEEKEND)) == (DAY, WEEK)


def test_drifts_and_random_walks_are_no_days(noise):
    assert periods(to_grid(TIMES, noise + 0.1 * STEPS)) == ()
    assert periods(to_grid(TIMES, np.cumsum(noise))) == ()


def test_gaps_spikes_and_a_drift_do_not_hide_days(noise):
    values = noise + DAILY + 0.02 * STEPS
    values[::101] += 1e4
    values[np.random.default_rng(9).random(len(STEPS)) < 0.4] = np.nan
    assert periods(to_grid(TIMES, values)) == (DAY,)


def test_two_days_are_too_few_to_see_days(noise):
    assert periods(to_grid(TIMES[:96], DAILY[:96])) == ()


def test_what_is_left_without_the_seasons_is_the_trend(noise):
    values = noise + DAILY + WEEKEND + 0.001 * STEPS
    grid = to_grid(TIMES, values)
    rest = adjusted(grid, periods(grid))
    assert np.std(rest.values - 0.001 * STEPS) < 1.2
    part = slice(-4 * 48, None)  # from Thursday to Sunday a weekly shape alone looks like a rise
    with_them, without = fit(TIMES[part], values[part]), fit(rest.times[part], rest.values[part])
    assert with_them.per_second > 10 * without.per_second
    assert without.low <= 0.001 / 1800 <= without.high


def test_the_band_follows_the_day_and_holds_what_it_says(noise):
    grid = to_grid(TIMES, noise + DAILY)
    band = expectation(grid, (DAY,), 0.9)
    assert band.period == DAY
    assert np.abs(band.expected - DAILY).mean() < 0.3
    assert len(band.outside) / len(STEPS) == pytest.approx(0.1, abs=0.01)


def test_a_value_that_is_usual_at_noon_is_unusual_at_midnight(noise):
    values = noise * 0.2 + DAILY
    values[-48] = 4.5  # at midnight, where 0 is usual; at six it would be
    assert len(STEPS) - 48 in expectation(to_grid(TIMES, values), (DAY,)).outside


def test_without_a_season_the_median_is_expected(noise):
    band = expectation(to_grid(TIMES, noise), ())
    assert band.period is None
    assert set(band.expected.tolist()) == {np.median(noise)}


def test_few_points_are_too_few():
    assert expectation(to_grid(TIMES[:23], DAILY[:23]), ()) == Unknown(Reason.TOO_FEW_POINTS)
