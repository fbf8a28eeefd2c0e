"""What one destination is told of a group, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from watchfleet.notify.configuration import FlapDamping
from watchfleet.notify.dedup import Reason
from watchfleet.notify.incoming import Alert
from watchfleet.notify.verdict import Entry, Terms, Verdict, judge

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SILENCED = {"a": "silenced:1"}


def fires(name: str, *changes: datetime) -> Alert:
    return Alert(name, {"n": name}, {}, NOW - MINUTE, None, NOW, changes=changes)


def over(name: str, *changes: datetime) -> Alert:
    return Alert(name, {"n": name}, {}, NOW - 2 * MINUTE, NOW - MINUTE, NOW, changes=changes)


@dataclass
class Receiver:
    """Somebody who is told, and what they were told so far."""

    terms: Terms = field(default_factory=lambda: Terms(timedelta(hours=1)))
    entry: Entry | None = None
    now: datetime = NOW

    def look(self, *alerts: Alert, blocks: Mapping[str, str] | None = None, acked: str = "") -> Verdict:
        found = judge(self.entry, alerts, blocks or {}, set(acked), self.terms, now=self.now)
        self.entry = found.entry or self.entry
        self.now += timedelta(seconds=10)
        return found


def names(verdict: Verdict) -> str:
    return "".join(alert.fingerprint for alert in verdict.alerts)


def test_firing_then_resolved() -> None:
    receiver = Receiver()
    first = receiver.look(fires("a"))
    assert (names(first), first.reason) == ("a", Reason.FIRST)
    assert names(receiver.look(fires("a"))) == ""
    last = receiver.look(over("a"))
    assert (names(last), last.reason) == ("a", Reason.ALL_RESOLVED)
    assert names(receiver.look(over("a"))) == ""


def test_what_is_silenced_is_not_told_and_says_why() -> None:
    found = Receiver().look(fires("a"), fires("b"), blocks=SILENCED)
    assert (names(found), dict(found.held)) == ("b", SILENCED)
    alone = Receiver().look(fires("a"), blocks=SILENCED)
    assert (alone.alerts, alone.entry, dict(alone.held)) == ((), None, SILENCED)


def test_the_end_is_told_to_those_who_were_told_of_the_firing_though_a_silence_came_between() -> None:
    receiver = Receiver()
    receiver.look(fires("a"))
    assert names(receiver.look(fires("a"), blocks=SILENCED)) == ""
    found = receiver.look(over("a"), blocks=SILENCED)
    assert (names(found), found.reason, dict(found.held)) == ("a", Reason.ALL_RESOLVED, {})


def test_the_end_of_what_was_never_told_is_not() -> None:
    found = Receiver().look(over("a"), blocks=SILENCED)
    assert (names(found), dict(found.held)) == ("", SILENCED)
    unheard = Receiver().look(over("a"))
    assert dict(unheard.held) == {"a": "resolved_before_it_was_told"}


def test_at_muted_times_nothing_is_told_and_the_end_waits() -> None:
    receiver = Receiver()
    receiver.look(fires("a"))
    terms = receiver.terms
    receiver.terms = Terms(terms.repeat, muted="muted:nights")
    found = receiver.look(over("a"), fires("b"))
    assert (names(found), dict(found.held)) == ("", {"a": "muted:nights", "b": "muted:nights"})
    receiver.terms = terms
    assert names(receiver.look(over("a"), fires("b"))) == "ab"


def test_inhibition_is_the_first_reason_and_muting_comes_before_silences() -> None:
    muted = Receiver(Terms(timedelta(hours=1), muted="muted:nights"))
    found = muted.look(fires("a"), fires("b"), blocks={"a": "inhibited:x", "b": "silenced:1"})
    assert dict(found.held) == {"a": "inhibited:x", "b": "muted:nights"}


def test_a_silence_that_ends_on_an_alert_that_still_fires() -> None:
    receiver = Receiver()
    assert names(receiver.look(fires("a"), blocks=SILENCED)) == ""
    assert names(receiver.look(fires("a"))) == "a"


def test_a_receiver_that_hears_of_no_ends_is_told_of_none_and_of_the_next_firing() -> None:
    receiver = Receiver(Terms(timedelta(hours=1), send_resolved=False))
    receiver.look(fires("a"))
    ended = receiver.look(over("a"))
    assert (names(ended), ended.reason) == ("", Reason.ALL_RESOLVED)
    assert names(receiver.look(fires("a"))) == "a"


def test_within_the_dedup_window_the_same_alert_is_told_once_and_after_it_if_it_still_fires() -> None:
    receiver = Receiver(Terms(timedelta(hours=1), dedup_window=5 * MINUTE))
    assert names(receiver.look(fires("a"))) == "a"
    assert names(receiver.look(over("a"))) == "a"
    again = receiver.look(fires("a"))
    assert (names(again), dict(again.held)) == ("", {"a": "dedup_window"})
    assert again.again_at == NOW + 5 * MINUTE
    receiver.now = NOW + 5 * MINUTE
    late = receiver.look(fires("a"))
    assert (names(late), late.reason) == ("a", Reason.NEW_FIRING)


def test_the_dedup_window_of_a_rule_wins_over_its_route_s() -> None:
    receiver = Receiver(Terms(timedelta(hours=1), dedup_window=5 * MINUTE))
    for alert, told in ((fires("a"), "a"), (over("a"), "a"), (fires("a"), "a"), (over("a"), "a")):
        assert names(receiver.look(replace(alert, dedup_window=timedelta(0)))) == told
    longer, told_at = replace(fires("b"), dedup_window=10 * MINUTE), receiver.now
    receiver.look(longer)
    receiver.look(replace(over("b"), dedup_window=10 * MINUTE))
    assert receiver.look(longer).again_at == told_at + 10 * MINUTE


def test_an_end_within_the_dedup_window_whose_firing_was_not_told_is_not_told_either() -> None:
    receiver = Receiver(Terms(timedelta(hours=1), dedup_window=5 * MINUTE))
    for alert, told in ((fires("a"), "a"), (over("a"), "a"), (fires("a"), ""), (over("a"), "")):
        assert names(receiver.look(alert)) == told


def test_a_new_alert_is_told_together_with_one_that_was_told_a_moment_ago() -> None:
    receiver = Receiver(Terms(timedelta(hours=1), dedup_window=5 * MINUTE))
    receiver.look(fires("a"))
    receiver.look(over("a"))
    assert names(receiver.look(fires("a"), fires("b"))) == "ab"


def test_what_flaps_is_held_back_and_told_when_it_is_quiet() -> None:
    damping = FlapDamping.model_validate({"changes": 3, "within": "10m", "quiet": "5m"})
    receiver = Receiver(Terms(timedelta(hours=1), flap_damping=damping))
    assert names(receiver.look(fires("a", NOW))) == "a"
    times = [NOW + timedelta(seconds=20), NOW + timedelta(seconds=10), NOW]
    found = receiver.look(over("a", *times))
    assert (names(found), dict(found.held)) == ("", {"a": "flapping"})
    assert found.again_at == times[0] + 5 * MINUTE
    receiver.now = times[0] + 5 * MINUTE
    assert names(receiver.look(over("a", *times))) == "a"


def test_repeats_stop_while_everything_that_fires_is_acknowledged() -> None:
    receiver = Receiver()
    receiver.look(fires("a"), fires("b"))
    receiver.now = NOW + timedelta(hours=2)
    assert receiver.look(fires("a"), fires("b"), acked="ab").reason is Reason.ACKNOWLEDGED
    assert receiver.look(fires("a"), fires("b"), acked="a").reason is Reason.REPEAT
