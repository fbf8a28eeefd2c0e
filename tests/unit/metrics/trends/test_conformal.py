"""Intervals out of errors, by hand."""

import numpy as np
import pytest

from watchfleet.metrics.trends import conformal


def test_the_narrowest_interval_leaves_out_the_tail_that_costs_most():
    errors = np.array([-1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 50.0, 900.0])
    assert conformal.narrowest(errors, 0.8, 10**6) == (-1.0, 50.0)  # a hair more than eight of ten is nine
    assert conformal.narrowest(errors, 0.75, 10**6) == (-1.0, 3.0)
    assert conformal.narrowest(-errors, 0.75, 10**6) == (-3.0, 1.0)


def test_few_forecasts_widen_it():
    errors = np.arange(100.0)
    widths = [np.diff(conformal.narrowest(errors, 0.8, origins))[0] for origins in (1, 2, 5, 10, 1000)]
    assert widths == [99, 99, 87, 83, 80]


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_new_errors_of_the_same_kind_are_held_as_often_as_wanted(coverage):
    rng = np.random.default_rng(41)
    held = []
    for _ in range(200):
        low, high = conformal.narrowest(rng.lognormal(size=200), coverage, 100)
        held.append(np.mean((low <= (new := rng.lognormal(size=200))) & (new <= high)))
    assert np.mean(held) == pytest.approx(coverage, abs=0.02)


def test_the_score_prefers_narrow_intervals_that_hold():
    rng = np.random.default_rng(42)
    narrow, wide = rng.normal(size=1000), 3 * rng.normal(size=1000)
    assert conformal.score(narrow, (0.8, 0.95)) < conformal.score(wide, (0.8, 0.95)) / 2


def test_every_part_of_the_horizon_has_errors_of_its_own():
    assert np.bincount(conformal.bins(288)).tolist() == [48] * 6
    assert conformal.bins(3).tolist() == [0, 1, 2]
