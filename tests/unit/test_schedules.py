from datetime import timedelta

import pytest

from schedules import ENTRIES, beat_schedule

EVALUATE = "watchfleet.rules.evaluate"


def test_an_entry_names_its_task_period_queue_and_expiry():
    assert beat_schedule({})[EVALUATE] == {
        "task": EVALUATE,
        "schedule": timedelta(seconds=1),
        "options": {"queue": "watchfleet.rules", "expires": 1.0},
    }


def test_every_message_expires_within_its_period():
    for entry in beat_schedule({}).values():
        assert 0 < entry["options"]["expires"] <= entry["schedule"].total_seconds()


def test_another_period_brings_its_expiry():
    entry = beat_schedule({EVALUATE: timedelta(minutes=1)})[EVALUATE]
    assert entry["schedule"] == timedelta(minutes=1)
    assert entry["options"]["expires"] == 60.0


def test_a_task_for_which_nothing_is_configured_runs_less_often_unless_its_period_is_given():
    scrape = "watchfleet.probes.scrape_dispatch"
    assert beat_schedule({})[scrape]["schedule"] == timedelta(seconds=1)
    assert beat_schedule({}, [scrape])[scrape]["schedule"] == timedelta(minutes=1)
    assert beat_schedule({scrape: timedelta(seconds=2)}, [scrape])[scrape]["schedule"] == timedelta(seconds=2)
    assert beat_schedule({}, [EVALUATE])[EVALUATE]["schedule"] == timedelta(seconds=1)


def test_each_task_has_one_entry():
    assert len(beat_schedule({})) == len(ENTRIES)


def test_a_period_for_an_unknown_task_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no periodic task is named nonsense; there are .*dispatch"):
        beat_schedule({"nonsense": timedelta(seconds=1)})


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_period_that_is_not_positive_is_refused(seconds: float):
    with pytest.raises(ValueError, match=f"{EVALUATE} has the period .* must be positive"):
        beat_schedule({EVALUATE: timedelta(seconds=seconds)})
