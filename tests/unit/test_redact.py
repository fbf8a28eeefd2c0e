"""Secrets in a text: those that are known, and those that are seen by their form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfleet import redact as module
from watchfleet.redact import MASK, redact, register


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing to hide: a token of honour", "nothing to hide: a token of honour"),
        ("", ""),
        ("redis://:hunter22@h:1/0 and amqp://u:p@h//", "redis://:***@h:1/0 and amqp://u:***@h//"),
        ("Authorization: Basic dTpw; x", "Authorization: Basic ***; x"),
        ("authorization=abc, Bearer abcdefgh", "authorization=***, Bearer ***"),
        ("?token=abc&api-key=def&n=1 PASSWORD : ghi", "?token=***&api-key=***&n=1 PASSWORD : ***"),
        (
            '{"db_password": "a \\"b", "user": "c", "token": ""}',
            '{"db_password": "***", "user": "c", "token": ""}',
        ),
        ("https://hooks.slack.com/services/T0/B0/x now", "https://hooks.slack.com/services/*** now"),
    ],
)
def test_what_looks_like_a_credential(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


def test_a_registered_value_hides_no_form_and_a_form_no_registered_value() -> None:
    for secret in ("password", "https://me:hunter22@h/secret-path", "hunter22-and-more", "short"):
        register(secret)
    assert redact("password=hunter22") == "***=***"
    assert redact("at https://me:hunter22@h/secret-path?n=1") == "at ***?n=1"
    assert redact("token=hunter22-and-more.") == "token=***"
    assert redact("a short one, hunter22-and-morehunter22-and-more") == "a short one, ***"


@given(st.lists(st.text("ab=:", min_size=6, max_size=9), max_size=4), st.text("ab=: ", max_size=60))
def test_no_registered_value_is_left_whatever_they_overlap_with(secrets: list[str], text: str) -> None:
    module._registered = set(secrets)
    shown = redact(text)
    assert not any(secret in shown for secret in secrets)
    assert shown.replace(MASK, "").strip("ab=: ") == ""
