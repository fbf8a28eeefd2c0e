"""The fields of signals: what cannot be used is left out and named, and nothing raises but a missing one."""

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfleet import signals
from watchfleet.instrument.fields import FIELDS, checked
from watchfleet.model import Kind

ACCOUNT = {"platform": "instagram", "account": "alice"}


def check(signal: str, **given: Any) -> tuple[dict[str, Any], dict[str, str]]:
    complaints: dict[str, str] = {}
    return checked(signal, given, complaints.__setitem__), complaints


def test_every_signal_has_its_fields() -> None:
    names = {signal.name for signal in (*signals.ACCOUNT_SIGNALS, signals.business_metric)}
    assert names == set(FIELDS)


def test_good_fields_travel_as_text_and_numbers() -> None:
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    fields, complaints = check("account_scraped", **ACCOUNT, group=None, duration=Fraction(1, 2), at=at)
    assert fields == {**ACCOUNT, "duration": 0.5, "at": at.timestamp()}
    assert complaints == {}


def test_an_account_may_be_a_number_and_a_reason_an_exception() -> None:
    fields, complaints = check("scrape_failed", platform="x", account=17, reason=TimeoutError("after 5 s"))
    assert fields == {"platform": "x", "account": "17", "reason": "TimeoutError"}
    assert complaints == {}


def test_a_long_reason_is_cut() -> None:
    fields, _ = check("scrape_failed", **ACCOUNT, reason="x" * 5000)
    assert fields["reason"] == "x" * 200


@pytest.mark.parametrize(
    ("signal", "field", "value"),
    [
        ("account_scraped", "duration", "1.5"),
        ("account_scraped", "duration", True),
        ("account_scraped", "duration", math.nan),
        ("account_scraped", "duration", -0.1),
        ("account_scraped", "duration", 10**400),
        ("account_scraped", "duration", Decimal("sNaN")),
        ("account_scraped", "at", datetime(2026, 11, 23)),  # noqa: DTZ001 - without a zone, which is the fault
        ("account_scraped", "at", 1e300),
        ("account_scraped", "group", "x" * 129),
        ("account_scraped", "group", ""),
        ("account_scraped", "group", "a\0b"),
        ("account_scraped", "group", "\ud800"),
        ("account_scraped", "likes", 3),
        ("content_found", "kind", ["post"]),
    ],
)
def test_a_field_that_cannot_be_used_is_left_out_and_the_rest_lands(
    signal: str, field: str, value: Any
) -> None:
    fields, complaints = check(signal, **ACCOUNT, **{field: value})
    assert fields == ACCOUNT
    assert list(complaints) == [field]


@pytest.mark.parametrize(
    ("signal", "given_fields", "missing"),
    [
        ("account_scraped", {"platform": "x"}, "account"),
        ("account_scraped", {"platform": "x" * 65, "account": "a"}, "platform"),
        ("followers_counted", ACCOUNT, "followers"),
        ("business_metric", {"name": "not a name", "value": 1}, "name"),
        ("business_metric", {"name": "queue_depth", "value": math.inf}, "value"),
    ],
)
def test_an_event_without_a_required_field_is_refused(
    signal: str, given_fields: dict[str, Any], missing: str
) -> None:
    with pytest.raises(LookupError) as caught:
        check(signal, **given_fields)
    assert caught.value.args == (missing,)


def test_a_metric_keeps_its_kind_and_its_labels() -> None:
    fields, complaints = check(
        "business_metric",
        name="cost_usd",
        value=2,
        kind="event",
        labels={"proxy": "a", "zone": None, "city": ""},
    )
    assert fields == {"name": "cost_usd", "value": 2.0, "kind": Kind.EVENT, "labels": {"proxy": "a"}}
    assert complaints == {}


@pytest.mark.parametrize(
    "labels", ["a=b", {"1a": "b"}, {"__name__": "b"}, {3: "b"}, {"a": 1.5}, {f"l{n}": "v" for n in range(17)}]
)
def test_labels_that_are_none_are_left_out(labels: Any) -> None:
    fields, complaints = check("business_metric", name="cost_usd", value=2, labels=labels)
    assert "labels" not in fields
    assert list(complaints) == ["labels"]


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=["Cs"]), min_size=1),
    st.binary(),
    st.datetimes(),
    st.lists(st.text(), max_size=2),
    st.dictionaries(st.text() | st.integers(), st.text() | st.integers(), max_size=2),
)


@given(signal=st.sampled_from(sorted(FIELDS)), data=st.data())
def test_whatever_is_given_travels_or_is_refused(signal: str, data: st.DataObject) -> None:
    """Nothing else is raised, and what is let through can be written as strict JSON."""
    names = st.sampled_from(sorted(FIELDS[signal])) | st.text(max_size=3)
    fields = {"platform": "x", "account": "a", "followers": 1, "name": "n", "value": 1}
    fields |= data.draw(st.dictionaries(names, ANYTHING, max_size=4))
    try:
        found = checked(signal, fields, lambda _, __: None)
    except LookupError:
        return
    json.dumps(found, allow_nan=False).encode()
    assert 0 <= round(found.get("at", 0) * 1e6) < 2**63
