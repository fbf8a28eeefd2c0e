"""Whatever a series looks like, everything about it is answered or named, and is JSON."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchfleet.metrics.trends import Unknown, as_json, describe

END = 1.76e9
RNG = np.random.default_rng(31)
REGULAR = END - 300.0 * np.arange(1, 1501)[::-1]
NORMAL = RNG.normal(size=1500)

SERIES = {
    "empty": ([], []),
    "one point": ([END - 1], [1.0]),
    "one time": (np.full(50, END - 5), np.arange(50.0)),
    "not a number": (REGULAR, np.full(1500, np.nan)),
    "infinite": (REGULAR, np.where(np.arange(1500) % 2, np.inf, 1.0)),
    "zero": (REGULAR, np.zeros(1500)),
    "huge": (REGULAR, NORMAL * 1e99),
    "too huge": (REGULAR, NORMAL * 1e307),
    "subnormal": (REGULAR, NORMAL * 1e-320),
    "irregular": (END - np.cumsum(RNG.exponential(300, 1500)), NORMAL),
    "one in twenty": (REGULAR[RNG.random(1500) < 0.05], NORMAL[:1500]),
    "a gap of weeks": (np.r_[REGULAR[:500] - 20 * 86_400, REGULAR[500:]], NORMAL),
    "many a second": (END - 0.01 * np.arange(1, 1501), NORMAL),
    "weekly": (END - 1 - 604_800.0 * np.arange(1500), NORMAL),
    "yes and no": (REGULAR, NORMAL > 0),
    "backwards": (REGULAR[::-1], np.arange(1500.0)),
}


def check(times: np.ndarray, values: np.ndarray) -> None:
    found = describe(times, values, (END - 30 * 86_400, END), limit=3.0, horizon=86_400)
    told = as_json(found)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    if not isinstance(found.slope, Unknown):
        assert found.slope.low <= found.slope.per_second <= found.slope.high
        assert 0 <= found.slope.p_value <= 1


@pytest.mark.parametrize("name", SERIES)
def test_series_of_every_kind(name):
    times, values = (np.asarray(part, float) for part in SERIES[name])
    check(times, values[: len(times)])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(END - 10 * 86_400, END) | st.just(END - 86_400.0) | st.just(float("nan")),
            st.floats() | st.sampled_from([0.0, 1.0]),
        ),
        max_size=80,
    )
)
def test_series_of_any_kind(points):
    check(np.array([at for at, _ in points]), np.array([value for _, value in points]))


def test_only_the_window_counts_and_the_past_is_for_comparison():
    times = END - 3600.0 * np.arange(1, 60 * 24)[::-1]
    values = np.where(times >= END - 10 * 86_400, 5.0, 1.0)
    found = describe(times, values, (END - 10 * 86_400, END))
    assert found.points == 240
    assert found.steps == ()
    assert (found.before.now, found.before.before) == (5.0, 1.0)
    assert found.weeks.before == pytest.approx(1.0)


def test_the_slope_is_that_of_the_last_level():
    after = REGULAR >= END - 3 * 86_400
    found = describe(REGULAR, NORMAL + 100 * after, (END - 30 * 86_400, END))
    assert len(found.steps) == 1
    assert not found.slope.is_significant


def test_a_long_horizon_is_forecast_in_longer_steps():
    times = END - 60.0 * np.arange(1, 20 * 1440)[::-1]
    found = describe(times, np.sin(times), (END - 30 * 86_400, END), horizon=7 * 86_400)
    assert found.forecast.times[-1] == pytest.approx(END + 7 * 86_400, abs=3600)
    assert len(found.forecast.times) <= 2016
