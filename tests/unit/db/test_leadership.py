from datetime import UTC, datetime, timedelta

from watchfleet.db.leadership import due_slots

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PERIODS = {"fast": timedelta(seconds=1), "slow": timedelta(minutes=1)}


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def test_an_entry_that_never_ran_is_due_at_once():
    assert due_slots(PERIODS, {}, NOON + seconds(30.4)) == {"fast": NOON + seconds(30), "slow": NOON}


def test_a_slot_that_was_claimed_is_not_due_again():
    recorded = {"fast": NOON + seconds(30), "slow": NOON}
    assert due_slots(PERIODS, recorded, NOON + seconds(30.999)) == {}
    assert due_slots(PERIODS, recorded, NOON + seconds(31)) == {"fast": NOON + seconds(31)}


def test_what_fell_into_a_gap_is_due_once_and_slots_do_not_drift():
    recorded = {"fast": NOON, "slow": NOON}
    assert due_slots(PERIODS, recorded, NOON + seconds(200.7)) == {
        "fast": NOON + seconds(200),
        "slow": NOON + seconds(180),
    }


def test_a_clock_that_went_back_a_little_is_waited_for():
    recorded = {"fast": NOON, "slow": NOON}
    assert due_slots(PERIODS, recorded, NOON - seconds(5)) == {}


def test_a_clock_that_was_set_back_starts_the_slots_anew():
    recorded = {"fast": NOON, "slow": NOON}
    assert due_slots(PERIODS, recorded, NOON - timedelta(hours=1)) == {
        "fast": NOON - timedelta(hours=1),
        "slow": NOON - timedelta(hours=1),
    }
