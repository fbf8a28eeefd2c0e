"""Changes of level are found where they are, and nowhere else."""

import numpy as np
import pytest

from watchfleet.metrics.trends import Reason, Unknown, find
from watchfleet.metrics.trends.steps import last_level

START = 1_760_054_400.0
HOURS = START + 3600.0 * np.arange(720)
AFTER = np.arange(720)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(5).normal(size=720)


def hours(found) -> list[int]:
    return [round((step.at - START) / 3600) for step in found]


def test_one_step(noise):
    (step,) = find(HOURS, 10 + noise + 3 * (AFTER >= 400))
    assert abs((step.at - START) / 3600 - 400) <= 1
    assert (step.before, step.after) == (pytest.approx(10, abs=0.2), pytest.approx(13, abs=0.2))


def test_two_steps_that_cancel_out(noise):
    found = find(HOURS, noise + 4 * ((AFTER >= 200) & (AFTER < 300)))
    assert hours(found) == pytest.approx([200, 300], abs=1)


@pytest.mark.parametrize(
    "shape",
    [
        0.0 * AFTER,
        0.02 * AFTER,
        -0.5 * AFTER,
        5 * np.sin(AFTER / 24 * 2 * np.pi),
        60.0 * (AFTER % 97 == 5),
    ],
    ids=["flat", "ramp", "steep ramp", "days", "spikes"],
)
def test_what_is_no_step_is_not_taken_for_one(noise, shape):
    assert find(HOURS, noise + shape) == ()


def test_a_step_is_found_among_days(noise):
    found = find(HOURS, noise + 5 * np.sin(AFTER / 24 * 2 * np.pi) + 3 * (AFTER >= 500))
    assert hours(found) == pytest.approx([500], abs=2)


def test_without_noise_a_level_that_stays_counts_and_a_blip_does_not():
    values = 1.0 * (AFTER >= 300)
    values[100] = 9.0
    (step,) = find(HOURS, values)
    assert (hours([step]), step.before, step.after) == ([300], 0.0, 1.0)


def test_noise_with_memory_is_seldom_taken_for_steps():
    rng, count = np.random.default_rng(6), 0
    for _ in range(20):
        values = rng.normal(size=720)
        for at in range(1, 720):
            values[at] += 0.5 * values[at - 1]
        count += len(find(HOURS, values))
    assert count <= 2


def test_few_points_are_too_few():
    assert find(HOURS[:23], AFTER[:23]) == Unknown(Reason.TOO_FEW_POINTS)


def test_a_trend_is_asked_of_the_last_level_alone(noise):
    values = noise + 50 * (AFTER >= 400)
    times, _ = last_level(HOURS, values, find(HOURS, values))
    assert round((times[0] - START) / 3600) == pytest.approx(400, abs=1)
    late = noise + 50 * (AFTER >= 712)
    assert len(last_level(HOURS, late, find(HOURS, late))[0]) == 720
