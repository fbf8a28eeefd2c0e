"""Parameters: literals that a comment names, and the values that take their places."""

import pytest

from watchfleet.promql import ParseError, parse
from watchfleet.rules.parameters import ParameterError, bind, parameters_of
from watchfleet.rules.thresholds import ThresholdError, with_threshold

TEXT = """avg_over_time(up{job=~"a|b"  # $jobs
}[5m  # $window
]) < 0.9  # $threshold
"""


def test_a_literal_with_a_comment_of_its_name_is_a_parameter() -> None:
    found = parameters_of(TEXT)
    assert {one.name: (one.kind, one.value) for one in found.values()} == {
        "jobs": ("string", "a|b"),
        "window": ("duration", "5m"),
        "threshold": ("number", "0.9"),
    }


def test_other_comments_name_nothing() -> None:
    assert parameters_of("up > 1 # $ one\n + 2 # see $x\n + 3 # $x y\n") == {}


def test_values_take_their_places() -> None:
    bound = bind(parse(TEXT), {"jobs": 'c"d', "window": "10m", "threshold": "-1e3"})
    assert str(bound) == 'avg_over_time(up{job=~"c\\"d"}[10m]) < -1000'
    assert bind(parse(TEXT), {}).text == TEXT


def test_a_parameter_in_two_places() -> None:
    expression = parse("up > 1 # $x\n or up < 2 - 1 # $x\n")
    assert str(bind(expression, {"x": "3"})) == "up > 3 or up < 2 - 3"


def test_a_name_stands_for_one_value() -> None:
    with pytest.raises(ParseError, match="the parameter \\$x is 2 here and 1 before"):
        parameters_of("up > 1 # $x\n or up < 2 # $x\n")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("limit", "1", r"no parameter \$limit; it has jobs, window, threshold"),
        ("threshold", "5m", r"\$threshold is a number, '5m' is none"),
        ("threshold", "", r"is a number"),
        ("window", "0.9", r"\$window is a duration, '0\.9' is none"),
        ("window", "0s", r"is a duration"),
        ("jobs", "(", r"with these values it is no expression any more"),
    ],
)
def test_what_is_no_value(name: str, value: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        bind(parse(TEXT), {name: value})


@pytest.mark.parametrize(
    ("text", "threshold", "expected"),
    [
        ("up > 0.9", 0.7, "up > 0.7"),
        ("(up > 0.9) and on () other > 5", 0.7, "(up > 0.7) and on () other > 5"),
        ("0.9 <= up", 0.7, "0.7 <= up"),
        ("up < 1 unless down", 2, "up < 2 unless down"),
        ("up > -1", -2, "up > -2"),
    ],
)
def test_a_second_threshold_stands_in_the_outermost_comparison(
    text: str, threshold: float, expected: str
) -> None:
    assert str(with_threshold(parse(text), threshold)) == expected


@pytest.mark.parametrize(
    ("text", "threshold"), [("up", 1), ("up == 1", 1), ("up > down", 1), ("up > bool 1", 0), ("up > 1", 2)]
)
def test_what_has_no_second_threshold(text: str, threshold: float) -> None:
    with pytest.raises(ThresholdError):
        with_threshold(parse(text), threshold)
