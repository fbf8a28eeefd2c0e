import math

import pytest

from watchfleet.promql.format import (
    format_json_value,
    format_openmetrics,
    format_short,
    format_value,
    quote,
)

NUMBERS = [
    # value, plain, as JSON, as %v, as OpenMetrics
    (0.0, "0", "0", "0", "0.0"),
    (-0.0, "-0", "-0", "-0", "-0.0"),
    (1.0, "1", "1", "1", "1.0"),
    (0.1, "0.1", "0.1", "0.1", "0.1"),
    (123456.0, "123456", "123456", "123456", "123456.0"),
    (1e6, "1000000", "1000000", "1e+06", "1e+06"),
    (1234567.5, "1234567.5", "1234567.5", "1.2345675e+06", "1.2345675e+06"),
    (1e20, "100000000000000000000", "100000000000000000000", "1e+20", "1e+20"),
    (1e21, "1000000000000000000000", "1e+21", "1e+21", "1e+21"),
    (1.5e-7, "0.00000015", "1.5e-07", "1.5e-07", "1.5e-07"),
    (0.00012, "0.00012", "0.00012", "0.00012", "0.00012"),
    (-2.5e300, "-25" + "0" * 299, "-2.5e+300", "-2.5e+300", "-2.5e+300"),
    (5e-324, "0." + "0" * 323 + "5", "5e-324", "5e-324", "5e-324"),
    (math.inf, "+Inf", "+Inf", "+Inf", "+Inf"),
    (-math.inf, "-Inf", "-Inf", "-Inf", "-Inf"),
    (math.nan, "NaN", "NaN", "NaN", "NaN"),
]


@pytest.mark.parametrize(("value", "plain", "json", "short", "openmetrics"), NUMBERS)
def test_numbers_are_printed_as_prometheus_prints_them(
    value: float, plain: str, json: str, short: str, openmetrics: str
) -> None:
    assert format_value(value) == plain
    assert format_json_value(value) == json
    assert format_short(value) == short
    assert format_openmetrics(value) == openmetrics


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a b", '"a b"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("\n\t\x00", '"\\n\\t\\x00"'),
        ("é", '"é"'),
        ("\u200b", '"\\u200b"'),
        ("\udcff", '"\\xff"'),
    ],
)
def test_text_is_quoted_as_go_quotes_it(text: str, quoted: str) -> None:
    assert quote(text) == quoted
