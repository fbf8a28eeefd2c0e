"""Which series may be, whoever asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfleet.metrics.names import Valid, check, fingerprint
from watchfleet.model import Kind

REASONS = {"bad_series", "bad_name", "bad_label", "bad_label_value", "too_many_labels", "bad_kind"}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("name", ["up", "a:b", "_x", "A9", "x" * 200])
def test_prometheus_names_are_good(name):
    assert check([name, {}, "gauge"]) == Valid(name, {}, Kind.GAUGE, fingerprint(name, {}))


@pytest.mark.parametrize("name", ["", "9a", "a-b", "a b", "é", "a\n", "x" * 201, None, 7, ["a"], "a\x00"])
def test_other_names_are_not(name):
    assert check([name, {}, "gauge"]) == "bad_name"


@pytest.mark.parametrize("label", ["", "9", "a:b", "a-b", "__name__", "é", "a\x00"])
def test_label_names_that_prometheus_does_not_take(label):
    assert check(["up", {label: "x"}, "gauge"]) == "bad_label"


@pytest.mark.parametrize("value", ["\x00", "\ud800", "x" * 1025, 1, None, ["x"], True])
def test_label_values_that_cannot_be_kept(value):
    assert check(["up", {"a": value}, "gauge"]) == "bad_label_value"


@pytest.mark.parametrize("labels", [None, [], "a", 5])
def test_labels_that_are_no_mapping(labels):
    assert check(["up", labels, "gauge"]) == "bad_label"


def test_any_text_is_a_good_label_value():
    value = "'; DROP TABLE series; -- \u202e\U0001f600\n\t\\"
    found = check(["up", {"a": value}, "gauge"])
    assert isinstance(found, Valid)
    assert found.labels == {"a": value}


def test_an_empty_label_is_as_good_as_none():
    assert check(["up", {"a": "", "b": "1"}, "gauge"]) == check(["up", {"b": "1"}, "gauge"])


def test_labels_have_no_order():
    assert check(["up", {"a": "1", "b": "2"}, "gauge"]) == check(["up", {"b": "2", "a": "1"}, "gauge"])


def test_too_many_labels():
    assert check(["up", {f"l{n}": "x" for n in range(33)}, "gauge"]) == "too_many_labels"


@pytest.mark.parametrize("kind", ["", "summary", None, 1, ["gauge"]])
def test_kinds_that_there_are_not(kind):
    assert check(["up", {}, kind]) == "bad_kind"


@given(anything)
def test_nothing_at_all_makes_the_check_fail(entry):
    found = check(entry)
    assert isinstance(found, Valid) or found in REASONS


@given(anything, anything, anything)
def test_nothing_within_a_series_makes_the_check_fail(name, labels, kind):
    found = check([name, labels, kind])
    assert isinstance(found, Valid) or found in REASONS
