"""Any text at all as a template, a rule file or a file of tests: an answer or an error with its place.

`make fuzz-rules` does it for five minutes with ever other examples; here it is short and always the same.
"""

import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st
from support.fuzzing import PATH, check_any_rules, check_any_template, check_any_tests

from watchfleet.promql.notation import NotationError, parse_series
from watchfleet.rules.files import parse_rules
from watchfleet.rules.template.functions import NAMES

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
EXAMPLES = settings(
    max_examples=100,
    deadline=None,
    derandomize=not SECONDS,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
    ],
)

WORDS = (
    *sorted(NAMES),
    "{{", "}}", "{{-", "-}}", " ", "\n", "(", ")", "|", ":=", "=", ",", ".", "$", "$labels", "$value", "$x",
    "if", "else", "else if", "end", "range", "with", "define", "template", "block", "break", "continue",
    "nil", "true", "false", "0", "1", "-1", "1.5", "1e400", "0x1F", "017", "1_0", "'a'", "'\\n'", '"a"', "1i",
    '"%d %s %v"', '"%*d"', '"%1000000d"', "`(a*)*`", '"("', '"up"', '"up{"', ".Labels", ".Value", ".job",
    "/*", "*/", "\\", '"', "`", "'", "@", "é", "\x00", "99999999999999999999", '"2006-01-02"', "Format",
)  # fmt: skip
EXPRESSION_TEXTS = ("up", "up == 0", "rate(up[5m]) > 1", "up[5m]", "5m", "1h30m", "0", "{{ $labels.job }}")

TEMPLATES = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=12).map(lambda words: "{{ " + " ".join(words) + " }}"),
    st.text(max_size=60),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 10**6), st.floats(), st.text(max_size=8), st.dates(),
        st.sampled_from(EXPRESSION_TEXTS),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings that have any of the fields, each with what it should have or with anything."""
    return st.fixed_dictionaries({}, optional={name: VALUES | inner for name, inner in fields.items()})


DURATIONS = st.sampled_from(["0s", "1m", "5m", "1h", "7d", "90s", "x", "1000y", "-1m"])
EXPRESSIONS = st.sampled_from(
    [
        "up",
        "up == 0",
        "sum by (job) (up)",
        "1",
        "up{",
        "up[1m]",
        "ALERTS",
        "r",
        "up > 0.5 # $limit",
        "absent(x)",
    ]
)
TEXTS = st.dictionaries(st.sampled_from(["a", "job", "severity", "__name__", ""]), TEMPLATES, max_size=2)
RULES = some(
    alert=st.sampled_from(["A", "B"]),
    record=st.sampled_from(["r", "s{"]),
    expr=EXPRESSIONS,
    **{"for": DURATIONS, "keep_firing_for": DURATIONS, "labels": TEXTS, "annotations": TEXTS},
    **{
        "x-watchfleet": some(
            enabled=st.booleans(),
            params=some(limit=st.just("0.7")),
            resolve_threshold=st.floats(),
            pending_threshold=st.floats(),
        )
    },
)
RULE_FILES = some(
    groups=st.lists(
        some(name=st.sampled_from("gh"), interval=DURATIONS, rules=st.lists(RULES, max_size=4)), max_size=3
    )
)
ALERTS = st.lists(some(exp_labels=TEXTS, exp_annotations=TEXTS), max_size=2)
TESTS = some(
    interval=DURATIONS,
    input_series=st.lists(
        st.fixed_dictionaries(
            {"series": st.just('up{job="a"}'), "values": st.sampled_from(["1x5", "0 _ stale", "1+x"])}
        ),
        max_size=2,
    ),
    alert_rule_test=st.lists(
        some(alertname=st.sampled_from("AB"), eval_time=DURATIONS, exp_alerts=ALERTS), max_size=2
    ),
    promql_expr_test=st.lists(some(expr=EXPRESSIONS, eval_time=DURATIONS), max_size=2),
    start_timestamp=st.sampled_from(["0", "2021-01-01T00:00:00Z", "1e300", "never"]),
)
TEST_FILES = some(
    evaluation_interval=DURATIONS, tests=st.lists(TESTS, max_size=2), fuzzy_compare=st.booleans()
)


def fuzzed(check: Callable[..., None]) -> None:
    """Run a property once; or, for `make fuzz-rules`, with ever other examples for its share of the time."""
    end, number = monotonic() + SECONDS / 5, 0
    while not number or monotonic() < end:
        seed(number)(check)()
        number += 1


def notation_error(text: str, keep: int | None) -> NotationError | None:
    try:
        parse_series(text, keep)
    except NotationError as error:
        return error
    return None


def test_templates() -> None:
    @EXAMPLES
    @example("{{ with $x := 1 }}{{ range 3 }}{{ $x = printf `%s%s` $x $x }}{{ end }}{{ $x }}{{ end }}")
    @example('{{ printf "%.99999999d" 1 }}{{ printf "%[1]d" 1 }}{{ toTime 1e300 }}')
    @given(TEMPLATES)
    def check(text: str) -> None:
        check_any_template(text)

    fuzzed(check)


def dumped(document: Any) -> str:
    return str(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))


def test_rule_files() -> None:
    @EXAMPLES
    @given(RULE_FILES.map(dumped) | st.text(max_size=80))
    def check(text: str) -> None:
        check_any_rules(text)

    fuzzed(check)


def test_files_of_rule_tests(tmp_path: Path) -> None:
    path = tmp_path / "test.yml"

    @EXAMPLES
    @given(TEST_FILES.map(dumped) | st.text(max_size=80), RULE_FILES.map(dumped))
    def check(text: str, rules: str) -> None:
        check_any_tests(path, text, parse_rules(rules, PATH).file.groups)

    fuzzed(check)


@pytest.mark.parametrize("keep", [None, 5])
def test_series(keep: int | None) -> None:
    notation = st.lists(
        st.sampled_from(["up", "{a='b'}", "1", "-1+2x3", "_", "_x9", "stale", "1x99999999", "{{", "x"])
    )

    @EXAMPLES
    @given(notation.map(" ".join) | st.text(max_size=30))
    def check(text: str) -> None:
        error = notation_error(text, keep)
        assert error is None or str(error)

    fuzzed(check)
