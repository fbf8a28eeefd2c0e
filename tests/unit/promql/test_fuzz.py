"""Any text at all: an answer or an error that says where and why, never a crash or a hang."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.fuzzing import memory, outcome

from tests.promqltest.expressions import Expressions
from watchfleet import promql
from watchfleet.promql.signatures import AGGREGATIONS, FUNCTIONS

EXAMPLES = settings(max_examples=150, deadline=None, derandomize=True)

WORDS = (
    *FUNCTIONS, *AGGREGATIONS,
    "(", ")", "[", "]", "{", "}", ",", ":", "+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=",
    "=~", "!~", "=", "</", ">/", "@", "and", "or", "unless", "atan2", "offset", "by", "without", "on",
    "ignoring", "group_left", "group_right", "bool", "fill", "fill_left", "fill_right", "anchored",
    "smoothed", "start", "end", "step", "range", "min_of", "max_of", "5m", "1h30m", "0s", "9999999y", "5m1h",
    "1", "0", "1e400", "0x1F", "017", "1_000", "inf", "NaN", '"job"', "'job'", "`(.*)`", '"\\xff"', '"[["',
    "job", "requests_total", "temperature", "odd", "latency_bucket", "é", "#", "\n", "__name__", '"""',
)  # fmt: skip


@pytest.fixture(scope="module")
def source() -> promql.MemorySeries:
    return memory()


@EXAMPLES
@given(text=st.text())
def test_any_text_gives_a_result_or_an_error_with_its_place(source: promql.MemorySeries, text: str) -> None:
    outcome(source, text)


@settings(EXAMPLES, max_examples=600)
@given(words=st.lists(st.sampled_from(WORDS), max_size=14))
def test_any_words_of_the_language_give_a_result_or_an_error_with_its_place(
    source: promql.MemorySeries, words: list[str]
) -> None:
    outcome(source, " ".join(words))


@EXAMPLES
@given(seed=st.integers(0, 2**32), data=st.data())
def test_a_good_expression_with_one_word_changed_gives_a_result_or_an_error_with_its_place(
    source: promql.MemorySeries, seed: int, data: st.DataObject
) -> None:
    words = Expressions(seed).make().split(" ")
    words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.sampled_from(WORDS))
    outcome(source, " ".join(words))


@EXAMPLES
@example(seed=782548638)  # a subquery whose inner selector has an `@`
@given(seed=st.integers(0, 2**32))
def test_what_is_printed_means_the_same(source: promql.MemorySeries, seed: int) -> None:
    text = Expressions(seed).make()
    parsed = promql.parse(text)
    again = promql.parse(str(parsed))
    assert str(again) == str(parsed)
    assert str(promql.parse(parsed.pretty())) == str(parsed)
    assert _numbers(outcome(source, str(parsed))) == _numbers(outcome(source, text))


def _numbers(answer: promql.Value | promql.QueryError) -> object:
    match answer:
        case promql.Vector():
            return answer.labels, [repr(value) for value in answer.values.tolist()]
        case promql.Scalar():
            return "NaN" if math.isnan(answer.value) else answer.value
    return type(answer)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "-" * 5_000 + "1",
        "1 + " * 5_000 + "1",
        "2 ^ " * 5_000 + "2",
        "sum(" * 5_000,
        "foo" + "[5m:1m]" * 5_000,
        "foo" + " offset 1m" * 5_000,
        "{" + 'a="b",' * 5_000,
        "1" * 190_000,
        "0x" + "f" * 190_000,
        "1s" * 90_000,
        "1m" * 90_000 + "x",
        "1_" * 90_000,
        '"' + "\\a" * 90_000,
        "foo[" + "1s+" * 5_000 + "1s]",
        "{a=~" + '"' + "(" * 50_000 + '"}',
        '{a=~"' + "(a{1000}){1000}" + '"}',
        "9" * 300_000,
        "\ud800",
        '"\udc80"',
        "foo @ 1e300",
        "foo offset 9999999999y",
        "vector(1)[10000y:1ms]",
        "absent_over_time(nothing[1000y:1s])",
        'label_replace(requests_total, "a", "$1", "job", "((((.*))))")',
        'count_values("a", requests_total offset -1000y)',
        "requests_total ^ 1e308 ^ 1e308",
        "topk(1e300, requests_total)",
        "topk(NaN, requests_total)",
        "limit_ratio(NaN, requests_total)",
        "round(requests_total, 5e-324)",
        "quantile(NaN, requests_total)",
        "predict_linear(requests_total[5m], 1e308)",
        "histogram_quantile(NaN, latency_bucket)",
        'sort_by_label(label_replace(requests_total, "n", "²٣", "", ""), "n")',
        'limit_ratio(0.5, label_replace(requests_total, "n", "\\xff", "", ""))',
        'label_replace(label_replace(requests_total, "n", "\\xff", "", ""), "m", "$1", "n", "(.*)")',
        "minute(vector(1e300))",
        "year(vector(-1e17))",
    ],
    ids=lambda text: text[:24].encode("ascii", "backslashreplace").decode(),
)
def test_extremes_give_a_result_or_an_error_with_its_place(source: promql.MemorySeries, text: str) -> None:
    outcome(source, text)
