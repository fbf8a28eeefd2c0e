"""Reports about accounts as they come from outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfleet.metrics import events
from watchfleet.metrics.decode import decode
from watchfleet.metrics.rejects import Rejects
from watchfleet.model import Event
from watchfleet.wire import pack

GOOD = ["account_scraped", 100.0, "insta", "alice", "vip", {"duration": 1.5}]
anything = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.lists(st.integers())
)


def check(*rows):
    rejects = Rejects()
    return events.check(rows, rejects, 50, 150), rejects


def test_a_report_is_taken_as_it_is():
    assert check(GOOD)[0] == [Event(*GOOD)]


@pytest.mark.parametrize(
    ("position", "value", "reason"),
    [
        (0, "other", "unknown_signal"),
        (0, ["x"], "unknown_signal"),
        (1, "100", "bad_event"),
        (1, float("nan"), "bad_event"),
        (1, True, "bad_event"),
        (1, 10**400, "bad_event"),
        (1, 49.9, "too_old"),
        (1, 150.1, "too_new"),
        (2, "", "bad_event"),
        (2, "x" * 257, "bad_event"),
        (3, "a\x00", "bad_event"),
        (3, "\ud800", "bad_event"),
        (4, 5, "bad_event"),
        (5, None, "bad_event"),
        (5, {"a": [1]}, "bad_event"),
        (5, {"a": float("inf")}, "bad_event"),
        (5, {str(n): 1 for n in range(33)}, "bad_event"),
    ],
)
def test_a_bad_report_is_rejected_alone(position, value, reason):
    bad = [*GOOD]
    bad[position] = value
    found, rejects = check(bad, GOOD)
    assert found == [Event(*GOOD)]
    assert rejects.counts == {reason: 1}


@given(st.lists(anything, max_size=7))
def test_nothing_makes_the_check_fail(row):
    found, rejects = check(row)
    assert len(found) + rejects.total == 1


def test_outcomes_become_samples_of_the_platform():
    reports = [
        Event(*GOOD),
        Event("scrape_failed", 101.5, "insta", "bob", None, {"reason": "login_wall"}),
        Event("followers_counted", 102.0, "insta", "alice", None, {"followers": 5.0}),
    ]
    found = events.with_samples(decode(pack([])), reports)
    assert [found.series[at][0] for at in found.index] == [
        "scrapes_total",
        "scrape_duration_seconds",
        "scrapes_total",
    ]
    assert found.series[2] == ["scrapes_total", {"platform": "insta", "outcome": "failed"}, "event"]
    assert found.ts.tolist() == [100_000_000, 100_000_000, 101_500_000]
    assert found.value.tolist() == [1.0, 1.5, 1.0]
