"""The robust slope against exact lines, against another implementation, and against noise without a trend."""

import numpy as np
import pytest

from watchfleet.metrics.trends import Reason, Unknown, fit
from watchfleet.metrics.trends.slope import autocorrelation

START = 1.76e9
HOURS = START + 3600.0 * np.arange(300)


def autoregressive(rng: np.random.Generator, count: int, phi: float) -> np.ndarray:
    noise = rng.normal(size=count)
    noise[0] /= np.sqrt(1 - phi**2)
    for at in range(1, count):
        noise[at] += phi * noise[at - 1]
    return noise


def test_an_exact_line_is_found_exactly():
    found = fit(HOURS, 5.0 + 0.25 * (HOURS - START))
    assert (found.per_second, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))
    assert found.level == pytest.approx(5.0 + 0.25 * (HOURS[-1] - START))
    assert found.is_significant


def test_pairs_and_interval_by_hand():
    """Sen's own definition, spelled out over all pairs of a short series without autocorrelation."""
    times = np.arange(9.0)
    values = np.array([1.0, 2.5, 1.5, 3.5, 3.0, 5.5, 4.0, 6.5, 6.0])
    slopes = sorted(
        (values[b] - values[a]) / (times[b] - times[a]) for a in range(9) for b in range(a + 1, 9)
    )
    found = fit(times, values)
    assert found.per_second == pytest.approx(np.median(slopes))
    reach = 1.959964 * np.sqrt(9 * 8 * (2 * 9 + 5) / 18)
    assert found.low == pytest.approx(slopes[round((36 - reach) / 2)])
    assert found.high == pytest.approx(slopes[round((36 + reach) / 2)])


def test_outliers_do_not_move_it():
    rng = np.random.default_rng(1)
    values = (HOURS - START) * 1e-5 + rng.normal(size=len(HOURS))
    values[rng.choice(len(HOURS), 60, replace=False)] += 1e6
    found = fit(HOURS, values)
    assert found.low <= 1e-5 <= found.high
    assert found.per_second == pytest.approx(1e-5, rel=0.3)


@pytest.mark.parametrize(("phi", "most"), [(0.0, 10), (0.5, 12), (0.9, 20)])
def test_noise_with_memory_seldom_looks_like_a_trend(phi, most):
    """Without the correction for autocorrelation, 62 of 100 such series with phi = 0.9 look like trends."""
    rng = np.random.default_rng(2)
    found = [fit(HOURS, autoregressive(rng, len(HOURS), phi)).is_significant for _ in range(100)]
    assert sum(found) <= most


def test_a_long_series_is_thinned_and_keeps_its_slope():
    times = START + 60.0 * np.arange(100_000)
    found = fit(times, 3e-6 * (times - START) + np.random.default_rng(3).normal(size=len(times)))
    assert found.points == 500
    assert found.per_second == pytest.approx(3e-6, rel=0.01)


def test_a_constant_has_no_trend():
    found = fit(HOURS, np.full(len(HOURS), 7.0))
    assert (found.per_second, found.low, found.high, found.level, found.p_value) == (0, 0, 0, 7.0, 1.0)
    assert not found.is_significant


def test_seven_points_are_too_few():
    assert fit(HOURS[:7], HOURS[:7]) == Unknown(Reason.TOO_FEW_POINTS)


def test_autocorrelation_of_a_wave_peaks_at_its_period_even_with_gaps():
    wave = np.sin(np.arange(480) / 24 * 2 * np.pi)
    wave[np.random.default_rng(4).random(480) < 0.3] = np.nan
    found = autocorrelation(wave, 36)
    assert found[:30].argmax() == 0 or found[12:36].argmax() == 11
    assert found[23] > 0.9
    assert found[11] < -0.9
