"""Forecasts follow what a series does, and their intervals hold what they say."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import forecast as benchmark
from watchfleet.metrics.trends import Grid, Reason, Unknown, candidates, forecast

NAB = Path(__file__).parents[5] / "shared" / "conformance" / "nab"
START = 1_760_054_400.0
DAY = 86_400
STEPS = np.arange(14 * 96)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(21).normal(size=len(STEPS) + 96)


def ahead(shape, noise, horizon=DAY):
    values = shape(np.arange(len(noise))) + noise
    known = len(noise) - 96
    return forecast(Grid(START, 900, values[:known]), horizon), values[known:]


def day(steps):
    return 10 * np.sin(steps / 96 * 2 * np.pi)


def test_days_are_forecast_as_days(noise):
    found, actual = ahead(day, noise)
    assert found.times.tolist() == (START + 900.0 * np.arange(len(STEPS), len(STEPS) + 96)).tolist()
    assert np.abs(found.values - day(np.arange(len(STEPS), len(STEPS) + 96))).mean() < 0.6
    narrow, wide = found.intervals
    assert (narrow.high - narrow.low).mean() < 3.5  # 2.56 standard deviations are perfect
    assert np.mean((wide.low <= actual) & (actual <= wide.high)) > 0.85


def test_a_line_is_forecast_as_a_line(noise):
    found, actual = ahead(lambda steps: 0.5 * steps, 0.1 * noise)
    assert np.abs(found.values - actual).max() < 1


def test_a_level_is_forecast_as_a_level(noise):
    found, _ = ahead(lambda steps: 0.0 * steps + 5, noise)
    assert np.abs(found.values - 5).max() < 0.5


def test_a_new_level_is_not_averaged_with_the_old_one(noise):
    found, _ = ahead(lambda steps: np.where(steps > 1000, 50.0, 5.0), noise)
    assert np.abs(found.values - 50).max() < 1


def test_intervals_lie_within_each_other_and_hold_the_middle(noise):
    found, _ = ahead(day, np.exp(noise))
    narrow, wide = found.intervals
    for low, high in zip(
        (wide.low, narrow.low, found.values, narrow.high),
        (narrow.low, found.values, narrow.high, wide.high),
        strict=True,
    ):
        assert (low <= high).all()


def test_a_series_that_was_never_negative_is_not_forecast_negative(noise):
    found, _ = ahead(lambda steps: 0.0 * steps, np.abs(noise) * (noise > 1))
    assert min(one.low.min() for one in found.intervals) >= 0


def test_a_constant_is_forecast_without_doubt():
    found = forecast(Grid(START, 900, np.full(len(STEPS), 7.0)))
    assert set(found.values.tolist()) == {7.0}
    assert all((one.low == 7.0).all() and (one.high == 7.0).all() for one in found.intervals)


def test_nothing_at_or_after_an_origin_is_looked_at(noise):
    """The past alone, and the past before a future that is all different, give the same paths."""
    origins, known = np.array([700, 801]), 801
    changed = noise[: len(STEPS)].copy()
    changed[known:] = 1e6
    cut = candidates.paths(candidates.history(Grid(START, 900, noise[:known])), origins[1:], 96)
    whole = candidates.paths(candidates.history(Grid(START, 900, changed)), origins[1:], 96)
    for name, path in cut.items():
        assert path.tolist() == whole[name].tolist(), name


def test_other_horizons(noise):
    for horizon, steps in ((900, 1), (3600, 4), (3 * DAY, 288)):
        found, _ = ahead(day, noise, horizon)
        assert len(found.values) == steps


def test_what_is_missing_is_named(noise):
    assert forecast(Grid(START, 900, noise[:23])) == Unknown(Reason.TOO_FEW_POINTS)
    assert forecast(Grid(START, 900, noise[:191])) == Unknown(Reason.HISTORY_TOO_SHORT)
    assert forecast(Grid(START, 1, np.zeros(10_000)), DAY) == Unknown(Reason.HISTORY_TOO_SHORT)


@pytest.mark.skipif(not NAB.is_dir(), reason=f"the Numenta Anomaly Benchmark is not at {NAB}")
def test_coverage_on_real_metrics():
    """A few origins of each series; `benchmarks/forecast.py` takes more."""
    windows = benchmark.read_windows(NAB / "combined_windows.json")
    table = {
        path.stem: benchmark.compare(path, windows.get(path.name, []), 5)
        for path in sorted(NAB.glob("*.csv"))
    }
    for coverage in (0.8, 0.95):
        held = np.mean([row["ours"][coverage].covered for row in table.values()])
        assert held == pytest.approx(coverage, abs=0.05)
        assert benchmark.geometric(table, coverage, "width") < 1
