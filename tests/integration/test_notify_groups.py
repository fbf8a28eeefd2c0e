"""Groups of alerts on a real store: waiting, repeating, ends, silences, inhibition, escalation, restarts."""

from datetime import datetime

import pytest
from sqlalchemy import update
from support.alerting import Told, at
from support.policies import configured, policy_for

from watchfleet.db.engine import transaction
from watchfleet.db.tables import notify_group
from watchfleet.notify import acknowledgements, pipeline, silences
from watchfleet.notify.matchers import parse
from watchfleet.notify.silences import Silence

pytestmark = pytest.mark.usefixtures("environment")

GROUPED = """
route: {receiver: a, group_by: [team], group_wait: 30s, group_interval: 5m, repeat_interval: 1h}
RECEIVERS
"""
FLAPPING = """
route: {receiver: a, group_by: ['...'], group_wait: 0s, group_interval: 1s, flap_damping: {}}
RECEIVERS
"""


def silence(matchers: str, start: float, end: float) -> str:
    wanted = Silence(None, parse(matchers), at(start), at(end), "anna", "works")
    with transaction() as connection:
        return str(silences.put(connection, wanted, at(start)))


def acknowledge(fingerprint: str, seconds: float, expires_at: datetime | None = None) -> None:
    with transaction() as connection:
        acknowledgements.acknowledge(
            connection, fingerprint, "anna", "on it", at(seconds), expires_at=expires_at
        )


def test_a_group_waits_and_then_looks_every_interval() -> None:
    told = Told(configured(GROUPED))
    told.fires(0, n="1", team="x")
    told.fires(10, n="2", team="x")
    told.fires(10, n="3", team="y")
    assert (told.tick(29), told.news()) == (None, [])
    assert told.tick(30) == at(330)
    assert told.news() == ["a: 1 firing 2 firing (first_notification)"]
    told.tick(40)
    assert told.news() == ["a: 3 firing (first_notification)"]
    told.fires(50, n="4", team="x")
    told.ends(60, n="1", team="x")
    told.tick(329)
    assert told.news() == []
    told.tick(330)
    assert told.news() == ["a: 1 resolved 2 firing 4 firing (new_firing_alerts)"]
    told.tick(630)
    assert told.news() == []  # nothing new


def test_what_ends_while_its_group_waits_is_not_told_and_leaves_the_reason() -> None:
    told = Told(configured(GROUPED))
    told.fires(0, n="1")
    told.ends(10, n="1")
    told.tick(30)
    assert told.news() == ["a: 1 resolved (not told, resolved_before_it_was_told)"]
    assert told.tick(10_000) is None


def test_what_fires_on_is_repeated_at_the_first_look_after_the_interval() -> None:
    told = Told(configured(GROUPED.replace("5m", "25m")))
    told.fires(0, n="1")
    for minutes in range(0, 101, 25):
        told.tick(30 + 60 * minutes)
    assert told.news() == ["a: 1 firing (first_notification)", "a: 1 firing (repeat_interval_elapsed)"]


def test_an_empty_group_waits_again_and_is_told_of_the_next_firing() -> None:
    told = Told(configured(GROUPED))
    told.fires(0, n="1")
    told.tick(30)
    told.ends(40, n="1")
    told.tick(330)
    told.fires(400, n="1")
    told.tick(429)
    assert told.news() == ["a: 1 firing (first_notification)", "a: 1 resolved (all_alerts_resolved)"]
    told.tick(430)
    assert told.news() == ["a: 1 firing (new_firing_alerts)"]


def test_an_alert_that_has_been_firing_for_longer_does_not_wait() -> None:
    told = Told(configured(GROUPED))
    with transaction() as connection:
        alert = pipeline.Alert("f", {"n": "1"}, {}, at(-60), None, at(0))
        pipeline.submit(connection, told.policy, [alert], at(0))
    assert told.news() == ["a: 1 firing (first_notification)"]


def test_a_silence_holds_back_what_fires_and_not_the_end_of_what_was_told() -> None:
    told = Told(configured(GROUPED.replace("[team]", "['...']")))
    told.fires(0, n="1")
    told.tick(30)
    name = silence("n=~1|2", 40, 10_000)
    told.fires(50, n="2")
    told.ends(60, n="1")
    told.tick(80)
    told.tick(330)
    assert told.news() == [
        "a: 1 firing (first_notification)",
        f"a: 2 firing (not told, silenced:{name})",
        "a: 1 resolved (all_alerts_resolved)",
    ]
    told.tick(380)
    assert told.news() == []  # the reason is written once
    with transaction() as connection:
        silences.expire(connection, silences.every(connection)[0].id, at(400))  # type: ignore[arg-type] # it has one
    told.tick(680)
    assert told.news() == ["a: 2 firing (first_notification)"]


def test_an_inhibited_alert_says_which_one_holds_it_back() -> None:
    told = Told(
        configured("""
            route: {receiver: a, group_by: ['...'], group_wait: 0s}
            inhibit_rules: [{source_matchers: [n=source], target_matchers: [n=target], equal: [host]}]
            RECEIVERS
        """)
    )
    source = told.fires(0, n="source", host="h")
    told.fires(1, n="target", host="h")
    told.fires(1, n="target", host="g")
    assert told.news() == [
        "a: source firing (first_notification)",
        f"a: target firing (not told, inhibited:{source})",
        "a: target firing (first_notification)",
    ]
    told.ends(10, n="source", host="h")
    told.tick(301)
    assert "a: target firing (first_notification)" in told.news()


def test_muted_times_hold_everything_back_until_they_are_over() -> None:
    told = Told(
        configured("""
            route:
              receiver: a
              routes: [{matchers: [n=~".+"], mute_time_intervals: [always], group_wait: 0s}]
            time_intervals: [{name: always, time_intervals: [{}]}]
            RECEIVERS
        """)
    )
    told.fires(0, n="1")
    assert told.news() == ["a: 1 firing (not told, muted:always)"]


def test_without_a_configuration_news_go_out_at_once_each_on_its_own() -> None:
    told = Told(policy_for(["log", "email"]))
    told.fires(0, n="1", severity="critical")
    assert told.news() == ["default: 1 firing (first_notification)"] * 2
    told.ends(1, n="1", severity="critical")
    assert told.news() == ["default: 1 resolved (all_alerts_resolved)"] * 2


def test_the_dedup_window_leaves_a_row_and_what_still_fires_after_it_is_told() -> None:
    told = Told(policy_for(["log"]))
    for seconds in (0, 2):
        told.fires(seconds, n="1")
        told.ends(seconds + 1, n="1")
    assert told.news() == [
        "default: 1 firing (first_notification)",
        "default: 1 resolved (all_alerts_resolved)",
        "default: 1 firing (not told, dedup_window)",
        "default: 1 resolved (not told, resolved_before_it_was_told)",
    ]
    told.fires(10, n="1")
    told.tick(299)
    assert told.news() == ["default: 1 firing (not told, dedup_window)"]
    told.tick(300)
    assert told.news() == ["default: 1 firing (new_firing_alerts)"]


def test_what_flaps_is_held_back_until_it_is_quiet() -> None:
    told = Told(configured(FLAPPING))
    for seconds in range(0, 60, 20):
        told.fires(seconds, n="1")
        told.tick(seconds + 1)
        told.ends(seconds + 10, n="1")
        told.tick(seconds + 11)
    told.fires(60, n="1")
    told.tick(61)
    lines = told.news()
    assert lines[-2:] == [
        "a: 1 resolved (not told, flapping)",
        "a: 1 firing (not told, flapping)",
    ]
    told.tick(659)
    assert told.news() == []
    told.tick(660)
    assert told.news() == []  # its last firing was told, and it fires
    told.ends(700, n="1")
    told.tick(701)
    assert told.news() == ["a: 1 resolved (all_alerts_resolved)"]


def test_a_rules_own_channels_win() -> None:
    told = Told(policy_for(["log", "email", "slack"]))
    told.fires(0, ("slack",), n="1", severity="info")
    told.ends(1, ("slack",), n="1", severity="info")
    with transaction() as connection:
        channels = connection.exec_driver_sql("SELECT channel FROM outbox ORDER BY id").scalars().all()
    assert channels == ["slack", "slack"]


def test_a_receiver_without_channels_leaves_the_reason() -> None:
    told = Told(configured("route: {receiver: x, group_wait: 0s}\nreceivers: [{name: x}]"))
    told.fires(0, n="1")
    assert told.news() == ["x: 1 firing (not told, no_channel)"]


ESCALATING = """
route:
  receiver: a
  group_wait: 0s
  group_interval: 1h
  escalation: [{after: 10m, receivers: [b]}, {after: 20m, receivers: [c]}]
RECEIVERS
"""


def test_what_nobody_acknowledges_is_told_to_others_step_by_step() -> None:
    told = Told(configured(ESCALATING))
    told.fires(0, n="1")
    assert told.tick(599) is None
    assert told.tick(600) == at(1200)
    told.tick(1200)
    assert told.news() == [f"{name}: 1 firing (first_notification)" for name in "abc"]
    told.ends(1300, n="1")
    told.tick(3600)
    assert sorted(told.news()) == [f"{name}: 1 resolved (all_alerts_resolved)" for name in "abc"]


def test_an_acknowledgement_stops_the_escalation_until_it_ends() -> None:
    told = Told(configured(ESCALATING))
    acknowledge(told.fires(0, n="1"), 60, at(900))
    told.tick(600)
    assert told.news() == ["a: 1 firing (first_notification)"]
    told.tick(1200)
    assert told.news() == []
    told.tick(3600)  # the next regular look: both steps are overdue
    assert told.news() == ["b: 1 firing (first_notification)", "c: 1 firing (first_notification)"]


def test_an_acknowledgement_ends_with_the_alert() -> None:
    told = Told(configured(GROUPED))
    name = told.fires(0, n="1")
    told.tick(30)
    acknowledge(name, 40)
    told.tick(330 + 3600)
    assert told.news() == ["a: 1 firing (first_notification)"]
    told.ends(4000, n="1")
    told.fires(4010, n="1")
    told.tick(330 + 7200)
    assert told.news() == ["a: 1 firing (repeat_interval_elapsed)"]
    with transaction() as connection:
        (past,) = acknowledgements.history(connection, name)
    assert (past.ended_at, past.ended_by) == (at(4000), acknowledgements.CHANGED)


def test_nothing_is_forgotten_by_a_restart_and_a_new_configuration_takes_over() -> None:
    before, after = Told(configured(GROUPED)), Told(configured(GROUPED.replace("receiver: a", "receiver: b")))
    before.fires(0, n="1", team="x")
    before.tick(30)
    assert after.news() == ["a: 1 firing (first_notification)"]
    with transaction() as connection:
        pipeline.reroute(connection, after.policy, at(60))
    after.tick(330)
    assert after.news() == ["b: 1 firing (first_notification)"]
    after.ends(400, n="1", team="x")
    after.tick(630)
    assert sorted(after.news()) == [f"{name}: 1 resolved (all_alerts_resolved)" for name in "ab"]


def test_a_route_that_is_gone_owes_the_end_and_no_more() -> None:
    before = Told(
        configured(
            "route: {receiver: c, routes: [{receiver: a, matchers: ['n=1'], group_wait: 0s}]}\nRECEIVERS"
        )
    )
    before.fires(0, n="1")
    after = Told(configured("route: {receiver: b, group_wait: 0s}\nRECEIVERS"))
    with transaction() as connection:
        pipeline.reroute(connection, after.policy, at(10))
    after.tick(301)
    assert after.news() == ["a: 1 firing (first_notification)", "b: 1 firing (first_notification)"]
    after.ends(310, n="1")
    after.tick(400)
    after.tick(700)
    assert sorted(after.news()) == [f"{name}: 1 resolved (all_alerts_resolved)" for name in "ab"]


def test_two_who_look_at_once_tell_once() -> None:
    told = Told(configured(GROUPED))
    told.fires(0, n="1")
    with transaction() as first, transaction() as second:
        pipeline.tick(first, told.policy, at(30))
        pipeline.tick(second, told.policy, at(30))
    assert told.news() == ["a: 1 firing (first_notification)"]


def test_what_is_long_over_is_forgotten() -> None:
    told = Told(configured(GROUPED))
    told.fires(0, n="1")
    told.tick(30)
    told.ends(40, n="1")
    told.tick(330)
    with transaction() as connection:
        connection.execute(update(notify_group).values(updated_at=at(0)))
        pipeline.forget(connection, at(6 * 86_400))
        counts = [
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            for table in ("notify_group", "notify_alert", "notify_log")
        ]
    assert counts == [0, 0, 0]
