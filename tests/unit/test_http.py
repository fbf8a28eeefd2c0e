"""What an HTTP answer means for a delivery."""

from datetime import UTC, datetime

import pytest

from watchfleet.addresses import operator_guard
from watchfleet.errors import ConfigError
from watchfleet.http import Response, check_url, post, refused, retry_after

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Mon, 23 Nov 2026 12:01:30 GMT", 90.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Monday, 23-Nov-26 12:00:10 GMT", 10.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("٣", None),
        ("Mon, 99 Nov 2026 12:01:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_a_number_of_any_length_is_survived() -> None:
    assert retry_after("9" * 10_000, NOW) == 999_999_999_999.0


def test_a_refusal_says_what_the_receiver_said() -> None:
    error = refused(Response(429, "Too Many", {"retry-after": "7"}, b"slow \xff down"), NOW)
    assert (error.reason, error.permanent, error.retry_after) == ("http_429", False, 7.0)
    assert str(error) == "http_429: 429 Too Many slow \ufffd down"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop",
        "ftp://host/",
        "http://",
        "http:///path",
        "http://host:x/",
        "http://ho st/",
        "http://h\u00f6st/",
        "http://host/\r\nx",
        "http://[::1",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="alert_webhook_url is not an address") as caught:
        check_url(url, "alert_webhook_url")
    assert not url or url not in str(caught.value)


def test_a_header_cannot_be_smuggled_in() -> None:
    with pytest.raises(ValueError, match="control characters"):
        post("http://127.0.0.1:1/", b"", {"x": "a\r\nb: c"}, guard=operator_guard([]))
