"""The grid holds every point once, whatever the spacing."""

import numpy as np
import pytest

from watchfleet.metrics.trends.series import clean, medians, to_grid

START = 1_760_054_400.0


def test_points_without_a_value_are_left_out_and_repeated_times_are_averaged():
    times = np.array([3.0, 1.0, 2.0, 2.0, np.nan, 4.0, 5.0, 6.0])
    values = np.array([30.0, 10.0, 20.0, 40.0, 1.0, np.nan, np.inf, 1e200])
    found_times, found_values = clean(times, values)
    assert found_times.tolist() == [1.0, 2.0, 3.0]
    assert found_values.tolist() == [10.0, 30.0, 30.0]


@pytest.mark.parametrize(
    ("spacing", "step"), [(0.1, 1), (1, 1), (15, 15), (60, 60), (290, 300), (3600, 3600), (86_400, 86_400)]
)
def test_the_step_is_the_spacing_rounded_to_a_part_of_a_day(spacing, step):
    grid = to_grid(START + spacing * np.arange(100.0), np.ones(100))
    assert grid.step == step
    assert grid.start % step == 0


def test_gaps_are_nan_and_every_point_is_in_its_step():
    times = START + 60.0 * np.arange(1000)
    kept = np.random.default_rng(13).random(1000) < 0.7
    kept[[0, -1]] = True
    grid = to_grid(times[kept], times[kept])
    assert grid.times[np.isfinite(grid.values)].tolist() == times[kept].tolist()
    assert len(grid.values) == 1000


def test_a_long_series_gets_longer_steps():
    grid = to_grid(START + np.arange(100_000.0), np.arange(100_000.0), 1000)
    assert grid.step == 120
    assert grid.values[0] == 59.5


def test_thinning_takes_medians():
    times, values = medians(START + np.arange(1000.0), np.where(np.arange(1000) % 10 == 3, 1e9, 1.0), 100)
    assert len(times) == 100
    assert set(values) == {1.0}


def test_nothing_in_nothing_out():
    assert len(to_grid(np.empty(0), np.empty(0)).values) == 0
    assert len(to_grid(np.array([np.nan]), np.array([1.0])).values) == 0
