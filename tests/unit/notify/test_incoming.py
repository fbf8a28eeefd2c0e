"""How news of an alert become part of what is known of it."""

from datetime import UTC, datetime, timedelta

from watchfleet.notify.incoming import Alert, merged

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def alert(start: float, end: float | None, *, expires: bool = False, note: str = "") -> Alert:
    ends_at = None if end is None else at(end)
    return Alert("f", {"a": "b"}, {"note": note}, at(start), ends_at, NOW, expires)


def span(found: Alert) -> tuple[datetime, datetime | None]:
    return found.starts_at, found.ends_at


def test_the_first_news_are_taken_as_they_are() -> None:
    found = merged(None, alert(-1, 5), NOW)
    assert (span(found), found.changes) == ((at(-1), at(5)), (at(-1),))
    assert merged(None, alert(-2, -1), NOW).changes == ()


def test_what_overlaps_keeps_the_earliest_start_and_the_newest_texts() -> None:
    found = merged(alert(-10, 2, expires=True, note="old"), alert(-1, 5, expires=True, note="new"), NOW)
    assert (span(found), found.annotations, found.expires) == ((at(-10), at(5)), {"note": "new"}, True)


def test_an_end_that_was_given_outlasts_a_later_guess_that_is_earlier() -> None:
    given = merged(alert(-10, 30), alert(-1, 5, expires=True), NOW)
    assert (given.ends_at, given.expires) == (at(30), False)
    guessed = merged(alert(-10, 30, expires=True), alert(-1, 5), NOW)
    assert (guessed.ends_at, guessed.expires) == (at(5), False)


def test_an_end_in_the_past_resolves_and_of_two_the_later_counts() -> None:
    once = merged(alert(-10, 5, expires=True), alert(-10, -1), NOW)
    assert span(once) == (at(-10), at(-1))
    assert once.is_over(NOW)
    assert merged(once, alert(-10, -2), NOW).ends_at == at(-1)


def test_what_does_not_overlap_is_another_time_of_firing() -> None:
    assert span(merged(alert(-10, -5), alert(-1, 5), NOW)) == (at(-1), at(5))


def test_an_open_end_is_later_than_any() -> None:
    assert span(merged(alert(-10, None), alert(-10, -1), NOW)) == (at(-10), at(-1))
    assert span(merged(alert(-10, None), alert(-5, None), NOW)) == (at(-10), None)


def test_changes_are_counted_and_news_of_the_same_are_none() -> None:
    firing = merged(None, alert(-10, None), NOW)
    again = merged(firing, alert(-10, None), NOW)
    assert again.changes == firing.changes == (at(-10),)
    over = merged(firing, alert(-10, -5), NOW)
    assert over.changes == (at(-5), at(-10))
    assert merged(over, alert(-10, -5), NOW).changes == over.changes
    back = merged(over, alert(-1, None), NOW)
    assert back.changes == (at(-1), at(-5), at(-10))


def test_while_it_fires_no_end_is_told() -> None:
    assert alert(-1, 5).facts(NOW).ends_at is None
    assert alert(-2, -1).facts(NOW).ends_at == at(-1)
    assert alert(-2, -1).facts(NOW).status == "resolved"
