"""Text that others wrote."""

from hypothesis import given
from hypothesis import strategies as st
from support.messages import HOSTILE, firing, resolved

from watchfleet.notify.text import clean, facts, one_line, storable, title

anything = st.text(st.characters(), max_size=200)


@given(anything, st.integers(1, 50))
def test_clean_text_is_short_and_holds_nothing_invisible(text: str, limit: int) -> None:
    found = clean(text, limit)
    assert len(found) <= limit
    assert all(character.isprintable() or character in "\t\n" or ord(character) > 159 for character in found)
    found.encode()


@given(anything)
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text, 60).splitlines()) <= 1


@given(anything)
def test_storable_text_keeps_all_that_postgresql_takes(text: str) -> None:
    found = storable(text, 500)
    assert len(found) == len(text)
    assert "\x00" not in found
    found.encode()


def test_marks_that_turn_the_direction_of_text_are_gone() -> None:
    assert one_line("safe\u202etxt.exe\u2066", 50) == "safetxt.exe"


def test_letters_that_need_a_joiner_keep_it() -> None:
    assert clean("می\u200cخواهم", 50) == "می\u200cخواهم"


def test_a_cut_shows() -> None:
    assert clean("abcdef", 4) == "abc…"
    assert clean("x" * 3_000_000, 10) == "x" * 9 + "…"


def test_a_title_names_state_alert_subject_and_severity() -> None:
    assert title(firing()) == "[FIRING] DependencyDown shop (critical)"
    assert title(resolved()) == "[RESOLVED] DependencyDown shop (critical)"
    assert title(firing(labels={"alertname": "DependencyDown"})) == "[FIRING] DependencyDown (warning)"
    assert "\n" not in title(firing(labels={"target": HOSTILE}))


def test_facts_tell_when_it_began_and_ended() -> None:
    assert facts(firing())[0] == ("Started", "2026-11-23 12:00:00 UTC")
    assert facts(resolved())[1] == ("Resolved", "2026-11-23 12:05:00 UTC")
