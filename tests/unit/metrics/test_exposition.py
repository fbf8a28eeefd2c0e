"""Pages of targets: the samples that Prometheus would take, and its verdict on what is malformed."""

import math

import pytest

from watchfleet.metrics.exposition import Exposed, ExpositionError, kind_of, parse
from watchfleet.model import Kind

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def read(text: str, content_type: str = "text/plain") -> list[Exposed]:
    return list(parse(text.encode(), content_type))


def test_a_sample_has_its_name_labels_time_and_value():
    page = '# TYPE a counter\na{b="c", d="e",} 1.5e3 1700000000123\n'
    assert read(page) == [Exposed("a", {"b": "c", "d": "e"}, Kind.COUNTER, 1700000000.123, 1500.0)]


def test_openmetrics_gives_seconds_and_may_name_exemplars():
    page = '# TYPE a counter\na_total{b="c"} 1 1700000000.5 # {id="x"} 0.7 1700000000\n# EOF\n'
    assert read(page, OPEN) == [Exposed("a_total", {"b": "c"}, Kind.COUNTER, 1700000000.5, 1.0)]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r"back\\slash", "back\\slash"),
        (r"a \"quote\"", 'a "quote"'),
        (r"two\nlines", "two\nlines"),
        (r"an \other", r"an \other"),
        (r"\\n", r"\n"),
        ("é{},=# ", "é{},=# "),
    ],
)
def test_a_labels_value_is_unescaped(written: str, value: str):
    assert read(f'a{{b="{written}"}} 1\n')[0].labels == {"b": value}
    assert read(f'a{{b="{written}"}} 1\n# EOF\n', OPEN)[0].labels == {"b": value}


@pytest.mark.parametrize(
    "written", ["1", "-1", "+1.", ".5", "1e-3", "1E+3", "+Inf", "-inf", "INFINITY", "NaN", "nan"]
)
def test_numbers_are_read_as_go_does(written: str):
    found = read(f"a {written}\n")[0].value
    assert found == float(written) or math.isnan(found)


@pytest.mark.parametrize("written", ["", "x", "1_000", "0x1p3", "0x10", "1,5", "١", "--1", "1e", "∞"])
def test_other_numbers_refuse_the_page(written: str):
    with pytest.raises(ExpositionError, match=r"^line 2: "):
        read(f"b 1\na {written}\n")


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ('a{b="c} 1', 1),
        ("a{b=c} 1", 1),
        ('a{b="1",b="2"} 1', 1),
        ("a 1 2 3", 1),
        ("a 1 1.5", 1),
        ("a", 1),
        ("ok 1\n1a 1", 2),
        ("# TYPE a nonsense", 1),
        ("a 1 " + "9" * 30, 1),
        ("a 1\r", 1),
    ],
)
def test_a_malformed_line_is_named(line: str, where: int):
    with pytest.raises(ExpositionError) as caught:
        read(line + "\n")
    assert caught.value.line == where


def test_text_that_is_no_utf_8_is_refused_with_its_line():
    with pytest.raises(ExpositionError, match=r"^line 2: not UTF-8"):
        list(parse(b"a 1\nb \xff\n", ""))


@pytest.mark.parametrize(
    "page", ["", "a 1\n", "a 1\n\n# EOF\n", "a  1\n# EOF\n", "# EOF\na 1\n", "# hi\n# EOF\n"]
)
def test_openmetrics_is_taken_at_its_word(page: str):
    with pytest.raises(ExpositionError):
        read(page, OPEN)


def test_comments_and_empty_lines_say_nothing():
    assert read("\n# a comment\n#\n# HELP a What it is\n \t\na 1") == [
        Exposed("a", {}, Kind.GAUGE, None, 1.0)
    ]


@pytest.mark.parametrize(
    ("name", "types", "kind"),
    [
        ("a_total", {}, Kind.COUNTER),
        ("a", {}, Kind.GAUGE),
        ("a_total", {"a": "counter"}, Kind.COUNTER),
        ("a_total", {"a_total": "gauge"}, Kind.GAUGE),
        ("a_total", {"a_total": "untyped"}, Kind.COUNTER),
        ("a_created", {"a": "counter"}, Kind.GAUGE),
        ("a_bucket", {"a": "histogram"}, Kind.COUNTER),
        ("a_bucket", {"a": "gaugehistogram"}, Kind.GAUGE),
        ("a_sum", {"a": "summary"}, Kind.COUNTER),
        ("a", {"a": "summary"}, Kind.GAUGE),
        ("a_info", {"a": "info"}, Kind.GAUGE),
        ("disk_count", {}, Kind.GAUGE),
    ],
)
def test_a_kind_follows_from_the_type(name: str, types: dict[str, str], kind: Kind):
    assert kind_of(name, types) is kind


def test_hostile_lines_take_no_more_than_linear_time():
    for text in (
        'a{b="' + "\\" * 200_000,
        "a{" + 'b="c",' * 50_000,
        "a" * 300_000 + "{",
        "a " + "1" * 300_000 + "x",
    ):
        with pytest.raises(ExpositionError):
            read(text)
        with pytest.raises(ExpositionError):
            read(text, OPEN)
