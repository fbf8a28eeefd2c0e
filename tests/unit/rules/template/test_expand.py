"""What templates may use, and what is not promtool's to say."""

from collections.abc import Sequence

import pytest

from watchfleet.rules.template import Data, Texts, expand
from watchfleet.rules.template.functions import strip_domain
from watchfleet.rules.template.limits import LARGEST_TEXT

DATA = Data(
    Texts(job="api"), 1.5, Texts(region="eu"), "https://fleet.example.org/prefix", Texts(threshold="0.9")
)


def none(_: str) -> Sequence[tuple[dict[str, str], float]]:
    return []


def ours(template: str) -> str:
    return expand(template, "A", DATA, none, 1000.0)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain {text}", "plain {text}"),
        ("{{ externalURL }} {{ pathPrefix }}", "https://fleet.example.org/prefix /prefix"),
        ("above {{ $params.threshold | humanizePercentage }}", "above 90%"),
        ("{{ range 3 }}{{ . }}{{ end }}", "012"),
        ("{{ now }} {{ toDuration 90.5 }} {{ (toDuration 90).Minutes }}", "1000 1m30.5s 1.5"),
        ("{{ toTime 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC"),
        ("{{ with toTime 0 }}{{ .Year }} {{ .Month }} {{ .Weekday }}{{ end }}", "1970 January Thursday"),
        ('{{ (toTime 0).Format "Mon, 02 Jan 2006 15:04:05 MST" }}', "Thu, 01 Jan 1970 00:00:00 UTC"),
        ('{{ (toTime 3723.5).Format "3:04PM .000 2/1/06" }}', "1:02AM .500 1/1/70"),
        ('{{ urlQueryEscape "a b&c" }}', "a+b%26c"),
        ("{{ with 0 }}a{{ else with 1 }}b{{ end }}", "b"),
        ("{{ if 0 }}a{{ else if 1 }}b{{ end }}", "b"),
    ],
)
def test_what_newer_versions_have(template: str, expected: str) -> None:
    assert ours(template) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("a.example.org:9100", "a:9100"),
        ("a.example.org", "a"),
        ("10.0.0.1:9100", "10.0.0.1:9100"),
        ("[2001:db8::1]:9100", "[2001:db8::1]:9100"),
        ("2001:db8::1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_strip_domain(address: str, expected: str) -> None:
    assert strip_domain(address) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}",
        "{{ range 1000000000 }}{{ end }}",
        '{{ $x := "ab" }}{{ range 60 }}{{ $x = printf "%s%s" $x $x }}{{ end }}',
        '{{ define "t" }}{{ template "t" }}{{ end }}{{ template "t" }}',
        '{{ define "t" }}{{ template "t" }}{{ template "t" }}{{ end }}{{ template "t" }}',
        '{{ range 60 }}{{ query "up" }}{{ end }}',
        '{{ $x := "aaaaaaaaaa" }}{{ range 14 }}{{ $x = reReplaceAll "" $x $x }}{{ end }}',
        '{{ printf "%1000000d" 1 }}{{ range 90000 }}{{ "aaaaaaaaaaaaaaaaaaaa" }}{{ end }}',
        "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
        "{{ if 1 }}" * 500 + "{{ end }}" * 500,
        "a" * 200_001 + "{{ 1 }}",
    ],
)
def test_whatever_a_template_does_it_ends(template: str) -> None:
    said = ours(template)
    assert said.startswith("<error expanding template: ")
    assert len(said) < 1000 + LARGEST_TEXT


def test_a_pattern_that_would_hang_others_does_not() -> None:
    assert ours('{{ match "(a*)*b" "' + "a" * 5000 + '" }}') == "false"
