"""Matchers in both of Alertmanager's forms."""

import pytest

from watchfleet.notify.matchers import format_matchers, matches, parse


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("severity=critical", '{severity="critical"}'),
        ('severity = "critical"', '{severity="critical"}'),
        ('{job="api",team!~"a|b"}', '{job="api",team!~"a|b"}'),
        ("a=b, c!=d,", '{a="b",c!="d"}'),
        ('a=~"x,y"', '{a=~"x,y"}'),
        ("a=", '{a=""}'),
        ("a=[x", '{a="[x"}'),
        ('a="b\\"c\\n"', '{a="b\\"c\\n"}'),
        (r'a=~"\d+"', r'{a=~"\\d+"}'),
        ("{}", "{}"),
        ("", "{}"),
        ('"a name"="ünï"', '{"a name"="ünï"}'),
        ("größe=x", '{"größe"="x"}'),
    ],
)
def test_what_is_read(text: str, meaning: str) -> None:
    assert format_matchers(parse(text)) == meaning


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("severity", "is no matcher"),
        ('a="b', "unexpected '\"'"),
        ("a=~(", "the pattern is not one that RE2 takes"),
        ('"a b"=x {', "unexpected|comma"),
    ],
)
def test_what_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(text)


def test_patterns_match_the_whole_value_and_a_missing_label_is_empty() -> None:
    assert matches(parse('a=~"b"'), {"a": "b"})
    assert not matches(parse('a=~"b"'), {"a": "xbx"})
    assert matches(parse('a!="b",c="",d!~"x+"'), {})
    assert not matches(parse('a=~".+"'), {})


def test_a_pattern_that_would_hang_a_backtracking_engine_ends() -> None:
    assert not matches(parse('a=~"(x+x+)+y"'), {"a": "x" * 5000})
