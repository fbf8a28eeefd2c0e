"""The leak detector on shapes that memory takes, and on traces of real processes."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import memory_detection
from watchfleet.detectors.memory_trend import BIN, History, Origin, Reason, floors, joined, judge

HOURS = np.arange(0, 6 * 3600, 30.0) / 3600
MB = 1e6
THRESHOLD = 100 * MB
START = 1.8e9


def history(
    megabytes: np.ndarray, generations: np.ndarray | None = None, blocks: np.ndarray | None = None
) -> History:
    count = len(megabytes)
    noise = np.random.default_rng(7).normal(0, 0.2, count)
    unknown = np.full(count, np.nan)
    return History(
        START + HOURS[:count] * 3600,
        (megabytes + noise) * MB,
        np.zeros(count) if generations is None else generations,
        unknown if blocks is None else blocks,
    )


LEAK = 80 + 150 * HOURS


def test_a_leak_is_told_with_its_rate_onset_and_time_left():
    found = judge(history(LEAK), THRESHOLD, limit=1280 * MB)
    assert found.reason is Reason.LEAKING
    assert found.rate == pytest.approx(150 * MB, rel=0.02)
    assert found.low <= found.rate <= found.high
    assert found.onset == pytest.approx(START, abs=3 * BIN)
    assert found.until_limit == pytest.approx(2 * 3600, rel=0.05)


def test_a_late_onset_is_found():
    late = 80 + 200 * np.maximum(HOURS - 2.5, 0)
    found = judge(history(late), THRESHOLD)
    assert found.is_leaking
    assert found.onset == pytest.approx(START + 2.5 * 3600, abs=3 * BIN)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (lambda h: 80 + 0 * h, Reason.BELOW_THRESHOLD),
        (lambda h: 80 + 60 * h, Reason.BELOW_THRESHOLD),
        (lambda h: 600 - 150 * h, Reason.BELOW_THRESHOLD),
        (lambda h: 80 + 400 * (h % 1), Reason.BELOW_THRESHOLD),
        (lambda h: 80 + 500 * (1 - np.exp(-h)), Reason.BELOW_THRESHOLD),
        (lambda h: 80 + 4000 * (1 - np.exp(-h / 2)), Reason.LEVELLING_OFF),
        (lambda h: 80 + 400 * (h > 4.8) + 30 * h, Reason.ONE_STEP),
        (lambda h: 80 + 500 * (h > 4.8) + 110 * h, Reason.ONE_STEP),
        (lambda h: 80 + 400 * np.minimum(h, 5.2) - 130 * np.maximum(h - 4, 0), Reason.LEVELLING_OFF),
    ],
    ids=["flat", "slow", "falling", "sawtooth", "warm-up", "cache", "step", "step-and-rise", "plateau"],
)
def test_what_is_no_leak_has_a_reason(shape: Callable[[np.ndarray], np.ndarray], reason: Reason):
    assert judge(history(shape(HOURS)), THRESHOLD).reason is reason


def test_a_leak_under_a_sawtooth_is_found():
    found = judge(history(80 + 150 * HOURS + 300 * (HOURS * 7 % 1)), THRESHOLD)
    assert found.is_leaking
    assert found.rate == pytest.approx(150 * MB, rel=0.1)


def test_a_leak_goes_on_in_recycled_children():
    life = 1.0
    generations = np.floor(HOURS / life)
    warm_up = 20 * np.minimum(HOURS % life * 60 / 5, 1)
    found = judge(history(60 + warm_up + 200 * (HOURS % life), generations), THRESHOLD)
    assert found.is_leaking
    assert judge(history(60 + warm_up, generations), THRESHOLD).reason is Reason.BELOW_THRESHOLD


def test_without_generations_the_recycled_leak_is_a_sawtooth():
    assert not judge(history(60 + 200 * (HOURS % 1.0)), THRESHOLD).is_leaking


def test_pythons_objects_tell_a_leak_in_python_from_a_native_one():
    steps = np.random.default_rng(3).integers(-500, 500, len(HOURS))
    assert judge(history(LEAK, blocks=1e6 + 3e6 * HOURS + steps), THRESHOLD).origin is Origin.PYTHON
    assert judge(history(LEAK, blocks=1e6 + steps), THRESHOLD).origin is Origin.NATIVE
    assert judge(history(LEAK), THRESHOLD).origin is Origin.UNKNOWN


@pytest.mark.parametrize("count", [0, 1, 10, 250])
def test_a_short_history_says_so(count: int):
    assert judge(history(LEAK[:count]), THRESHOLD).reason is Reason.HISTORY_TOO_SHORT


def test_gaps_are_bridged_up_to_a_share_of_the_window():
    whole = history(LEAK)
    for minutes, leaking in ((40, True), (60, False)):
        gap = (HOURS > 4) & (minutes / 60 > HOURS - 4)
        found = judge(History(*(part[~gap] for part in _parts(whole))), THRESHOLD)
        assert found.is_leaking is leaking


def test_the_answer_does_not_change_within_a_bin():
    whole = history(LEAK)
    cuts = [History(*(part[:at] for part in _parts(whole))) for at in (601, 605, 610, 615)]
    assert len({judge(cut, THRESHOLD).rate for cut in cuts}) == 1


def _parts(one: History) -> tuple[np.ndarray, ...]:
    return one.times, one.resident, one.generations, one.blocks


def test_generations_join_after_their_warm_up():
    times = np.arange(8) * 300.0
    generations = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    values = np.array([10.0, 11, 12, 13, 1, 4, 5, 6])
    found = joined(times, values, generations)
    np.testing.assert_array_equal(found, [10, 11, 12, 13, np.nan, np.nan, np.nan, 13])


def test_floors_are_of_whole_bins_of_unix_time():
    times = np.arange(3 * BIN, 5.5 * BIN, 100)
    values = np.where(times % BIN == 200, 1.0, 5.0)
    np.testing.assert_array_equal(floors(times, values), [1, 1])


@pytest.mark.skipif(
    not memory_detection.DEFAULT.exists(), reason="no recorded traces in ../shared/conformance"
)
def test_recorded_traces_of_real_processes():
    """The goals of the benchmark, on the traces that its defaults name."""
    found = memory_detection.score(
        list(memory_detection.read(memory_detection.DEFAULT)), memory_detection.ours
    )
    assert found["recall"] >= 0.93
    assert found["false_alarms"] <= 2
    assert found["false_alarms_not_hard"] == 0
    assert found["median_hours"] <= 2.5
    assert found["rate_error"] <= 0.12
