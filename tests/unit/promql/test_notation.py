import math

import numpy as np
import pytest

from watchfleet.promql.notation import NativeHistogramError, NotationError, parse_series, parse_values
from watchfleet.promql.source import is_stale


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("1 2.5 -3", [1, 2.5, -3]),
        ("0+1x3", [0, 1, 2, 3]),
        ("10-2.5x2", [10, 7.5, 5]),
        ("-1-1x2", [-1, -2, -3]),
        ("4x2", [4, 4, 4]),
        ("5x0", [5]),
        ("_ 1 _x2", [None, 1, None, None]),
        ("Inf -Inf +inf", [math.inf, -math.inf, math.inf]),
        ("1e3 0x10", [1000, *[0] * 11]),
    ],
)
def test_values_are_expanded(text: str, values: list[float | None]) -> None:
    assert parse_values(text) == values


def test_stale_is_a_marker_and_nan_is_not() -> None:
    values = parse_values("stale NaN")
    assert is_stale(np.array(values)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("1 two", "'two' is no value"),
        ("1x", "'1x' is no value"),
        ("1x99999999999999999999", "1000000 values at most"),
        ("1x999999 1x999999", "1000000 values at most"),
        ("1 {{schema:0}}", "native histograms are not supported"),
    ],
)
def test_what_is_no_value_is_refused(text: str, cause: str) -> None:
    with pytest.raises(NotationError, match=cause):
        parse_values(text)


def test_a_series_has_labels_and_values() -> None:
    labels, values = parse_series('up{job="a b",path="}"} 1 2')
    assert labels == (("__name__", "up"), ("job", "a b"), ("path", "}"))
    assert values == [1, 2]
    assert parse_series("{} 3") == ((), [3])
    assert parse_series("up 1") == ((("__name__", "up"),), [1])


@pytest.mark.parametrize("text", ['up{job!="a"} 1', "up{job=} 1", "up{ 1"])
def test_what_is_no_series_is_refused(text: str) -> None:
    with pytest.raises(NotationError):
        parse_series(text)


def test_native_histograms_are_told_apart() -> None:
    with pytest.raises(NativeHistogramError):
        parse_series("up {{schema:0 sum:5 count:4 buckets:[1 2 1]}}x5")
