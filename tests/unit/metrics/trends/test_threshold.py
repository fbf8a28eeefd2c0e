"""Times until a threshold: right for lines, honest for noise."""

import numpy as np
import pytest

from watchfleet.metrics.trends import Grid, Outcome, Reason, Unknown, forecast, time_until
from watchfleet.metrics.trends.threshold import no_later_than

DAY = 86_400.0
TIMES = 1.76e9 + 600.0 * np.arange(2000)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(11).normal(size=len(TIMES))


def line(per_day: float, level: float = 100.0) -> np.ndarray:
    """A line that ends at `level`."""
    return level + per_day * (TIMES - TIMES[-1]) / DAY


def test_a_rising_line_reaches_what_is_above_and_a_falling_one_what_is_below(noise):
    for per_day, threshold in ((10.0, 150.0), (-10.0, 50.0)):
        found = time_until(TIMES, line(per_day) + noise, threshold)
        assert found.outcome is Outcome.EXPECTED
        assert found.expected == pytest.approx(5 * DAY, rel=0.02)
        assert found.earliest < 5 * DAY < found.latest
        assert not found.beyond_history


def test_a_line_that_goes_the_other_way_never_reaches_it(noise):
    for per_day, threshold in ((10.0, 50.0), (-10.0, 150.0)):
        found = time_until(TIMES, line(per_day) + noise, threshold)
        assert (found.outcome, found.earliest, found.expected, found.latest) == (
            Outcome.NEVER,
            None,
            None,
            None,
        )


def test_a_constant_never_gets_anywhere_else():
    assert time_until(TIMES, line(0.0), 100.1).outcome is Outcome.NEVER
    assert time_until(TIMES, line(0.0), 100.0).outcome is Outcome.THERE


def test_noise_may_get_there_but_is_not_expected_to(noise):
    found = time_until(TIMES, line(0.0) + noise, 103.0)
    assert found.outcome is Outcome.POSSIBLE
    assert found.expected is found.latest is None
    assert found.earliest > 10 * DAY


def test_a_threshold_within_the_noise_is_reached_already(noise):
    found = time_until(TIMES, line(10.0) + 3 * noise, 102.0)
    assert (found.outcome, found.earliest) == (Outcome.THERE, 0.0)


def test_an_extrapolation_beyond_the_history_says_so(noise):
    assert time_until(TIMES, line(10.0) + noise, 600.0).beyond_history


def test_more_than_ten_years_is_never():
    assert time_until(TIMES, line(1e-6), 200.0).outcome is Outcome.NEVER


def test_few_points_are_too_few():
    assert time_until(TIMES[:7], TIMES[:7], 0.0) == Unknown(Reason.TOO_FEW_POINTS)


def test_the_true_time_is_within_the_interval_as_often_as_it_says():
    rng, held = np.random.default_rng(12), 0
    for _ in range(60):
        found = time_until(TIMES[::4], (line(2.0) + 5 * rng.normal(size=len(TIMES)))[::4], 130.0)
        held += found.earliest <= 15 * DAY <= (found.latest or np.inf)
    assert held >= 57


def test_a_forecast_that_may_be_there_sooner_says_so(noise):
    """Spikes of a day ago: the line through the last hours knows nothing of them, the forecast does."""
    values = np.abs(noise) + 50.0 * (np.arange(len(noise)) % 15 == 0)
    flat = time_until(TIMES[-30:], values[-30:] * 0 + 1, 40.0)
    assert flat.outcome is Outcome.NEVER
    found = no_later_than(flat, forecast(Grid(TIMES[0], 600, values)))
    assert found.outcome is Outcome.POSSIBLE
    assert 0 < found.earliest <= DAY
    assert no_later_than(flat, forecast(Grid(TIMES[0], 600, np.abs(noise)))) == flat
