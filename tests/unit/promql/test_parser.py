"""What is PromQL and what is not, and where an error is."""

import pytest

from watchfleet import promql
from watchfleet.errors import WatchfleetError

GOOD = {
    "foo": ("vector", "foo"),
    "1.5e3": ("scalar", "1500"),
    "1h30m": ("scalar", "1h30m"),
    "'a\\'b'": ("string", '"a\'b"'),
    "`a\\n`": ("string", '"a\\\\n"'),
    'foo{a="1",b!="2",c=~"x.*",d!~"y",}': ("vector", 'foo{a="1",b!="2",c=~"x.*",d!~"y"}'),
    '{__name__="foo"}': ("vector", '{__name__="foo"}'),
    '{"foo.bar", "x y"="1"}': ("vector", '{__name__="foo.bar","x y"="1"}'),
    "foo[5m]": ("matrix", "foo[5m]"),
    "foo[300]": ("matrix", "foo[5m]"),
    "foo[5m:1m]": ("matrix", "foo[5m:1m]"),
    "foo[5m:]": ("matrix", "foo[5m:]"),
    "foo[1m+step()]": ("matrix", "foo[1m + step()]"),
    "foo OFFSET -1h @ 12.5": ("vector", "foo @ 12.500 offset -1h"),
    "foo @ start()": ("vector", "foo @ start()"),
    "foo[5m] anchored": ("matrix", "foo[5m] anchored"),
    "1+2*3^4^5": ("scalar", "1 + 2 * 3 ^ 4 ^ 5"),
    "-1^2": ("scalar", "-1 ^ 2"),
    "a or b and c unless d": ("vector", "a or b and c unless d"),
    "a==bool 1": ("vector", "a == bool 1"),
    "a*on(x)group_left(y)b": ("vector", "a * on (x) group_left (y) b"),
    "a*ignoring(x)b": ("vector", "a * ignoring (x) b"),
    "a + fill(0) b": ("vector", "a + fill (0) b"),
    "a + on(x) fill_left(1) fill_right(2) b": ("vector", "a + on (x) fill_left (1) fill_right (2) b"),
    "sum(foo)by(a,b)": ("vector", "sum by (a, b) (foo)"),
    "sum without(a)(foo)": ("vector", "sum without (a) (foo)"),
    "SUM(foo)": ("vector", "sum(foo)"),
    'count_values("v", foo)': ("vector", 'count_values("v", foo)'),
    "sum": ("vector", "sum"),
    "sum{a='b'} + avg": ("vector", 'sum{a="b"} + avg'),
    "time()": ("scalar", "time()"),
    "inf": ("scalar", "+Inf"),
    "NaN # why not\n": ("scalar", "NaN"),
    'info(foo, {a=~".+"})': ("vector", 'info(foo, {a=~".+"})'),
}

BAD = {
    "": ("1:1", "no expression found in input"),
    "1 +": ("1:4", "unexpected end of input"),
    "foo + 1 + ": ("1:11", "unexpected end of input"),
    "foo bar": ("1:5", 'unexpected identifier "bar"'),
    "foo\n  {a='b'\n": ("3:1", 'unexpected end of input in label matching, expected "," or "}"'),
    "foo{a}": ("1:6", 'unexpected "}" in label matching, expected label matching operator'),
    "foo{a=1}": ("1:7", 'unexpected number "1" in label matching, expected string'),
    'foo{a=~"("}': ("1:5", "invalid regular expression"),
    '{a=""}': ("1:1", "vector selector must contain at least one non-empty matcher"),
    'foo{__name__="bar"}': ("1:1", 'metric name must not be set twice: "foo" or "bar"'),
    '"abc': ("1:1", "unterminated quoted string"),
    '"\\q"': ("1:2", "unknown escape sequence \\q"),
    "5m1h": ("1:1", 'not a valid duration string: "5m1h"'),
    "1x": ("1:1", "bad number or duration syntax"),
    "foo[0]": ("1:5", "duration must be greater than 0"),
    "foo[5m] offset 1m[5m]": ("1:18", "ranges only allowed for vector selectors"),
    "foo offset 1m offset 1m": ("1:1", "offset may not be set multiple times"),
    "1 offset 1m": ("1:1", "offset modifier must be preceded by"),
    "foo @ bar": ("1:7", 'unexpected identifier "bar" in @, expected timestamp'),
    "1 == 1": ("1:2", "comparisons between scalars must use BOOL modifier"),
    "1 + bool 1": ("1:2", "bool modifier can only be used on comparison operators"),
    "1 and foo": ("1:1", 'set operator "and" not allowed in binary scalar expression'),
    'foo + "a"': ("1:7", "binary expression must contain only scalar and instant vector types"),
    "foo[5m] + 1": ("1:1", "binary expression must contain only scalar and instant vector types"),
    '-"a"': (
        "1:1",
        'unary expression only allowed on expressions of type scalar or instant vector, got "string"',
    ),
    "foo and on(a) group_left b": ("1:1", 'no grouping allowed for "and" operation'),
    "a * on(x) group_left(x) b": ("1:2", 'label "x" must not occur in ON and GROUP clause at once'),
    "nosuch(foo)": ("1:1", 'unknown function with name "nosuch"'),
    "holt_winters(foo[5m], 1, 1)": ("1:1", "since Prometheus 3 it is double_exponential_smoothing"),
    "rate(foo)": ("1:6", 'expected type range vector in call to function "rate", got instant vector'),
    "abs()": ("1:1", 'expected 1 argument(s) in call to "abs", got 0'),
    "abs(foo,)": ("1:8", "trailing commas not allowed in function call args"),
    "sum(1)": ("1:5", "expected type instant vector in aggregation expression, got scalar"),
    "topk(foo)": ("1:1", "wrong number of arguments for aggregate expression provided, expected 2, got 1"),
    "sum(foo) by (1)": ("1:14", "unexpected number"),
    "foo[5m:1m][5m]": ("1:11", "ranges only allowed for vector selectors"),
    "foo[5m:1m] smoothed": ("1:1", "smoothed modifier is not supported for subqueries"),
    "§": ("1:1", "unexpected character"),
    "(" * 500: ("1:101", "nests deeper than 100 levels"),
    "1" + "+1" * 500: ("1:1", "more than 250 operators depend on each other"),
}


@pytest.mark.parametrize("text", GOOD)
def test_expressions_have_a_type_and_are_printed_as_prometheus_prints_them(text: str) -> None:
    expression = promql.parse(text)
    assert (expression.type, str(expression)) == GOOD[text]
    assert str(promql.parse(str(expression))) == str(expression)


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:40])
def test_errors_tell_line_column_and_cause(text: str) -> None:
    place, cause = BAD[text]
    with pytest.raises(promql.ParseError) as caught:
        promql.parse(text)
    assert str(caught.value).startswith(f"{place}: parse error: ")
    assert cause in str(caught.value)
    assert isinstance(caught.value, WatchfleetError)


def test_a_long_expression_is_printed_over_several_lines() -> None:
    text = (
        "sum by (job) (rate(http_requests_total{code=~'5..',environment='production'}[5m])) / "
        "sum by (job) (rate(http_requests_total{environment='production'}[5m])) > 0.05"
    )
    pretty = promql.parse(text).pretty()
    assert pretty.count("\n") >= 4
    assert max(map(len, pretty.split("\n"))) <= 100
    assert str(promql.parse(pretty)) == str(promql.parse(text))


def test_an_expression_is_parsed_once() -> None:
    assert promql.parse("up == 0") is promql.parse("up == 0")
