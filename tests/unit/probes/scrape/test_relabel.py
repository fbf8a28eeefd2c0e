"""Relabelling, case by case as Prometheus does it."""

from typing import Any

import pytest
from pydantic import ValidationError

from watchfleet.probes.scrape.relabel import Rule, apply

LABELS = {"a": "foo", "b": "bar", "c": "baz"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            {"source_labels": ["a"], "regex": "f(.*)", "target_label": "d", "replacement": "ch${1}-ch${1}"},
            {"d": "choo-choo"},
        ),
        (
            {
                "source_labels": ["a", "b"],
                "regex": "f(.*);(.*)r",
                "target_label": "a",
                "replacement": "b${1}${2}m",
            },
            {"a": "boobam"},
        ),
        ({"source_labels": ["a"], "regex": "o", "target_label": "d"}, {}),
        ({"regex": ".*", "target_label": "d", "replacement": "$$"}, {"d": "$"}),
        ({"source_labels": ["a"], "regex": "(f).*", "target_label": "$1x", "replacement": "y"}, {}),
        (
            {"source_labels": ["a"], "regex": "(f).*", "target_label": "${1}x", "replacement": "y"},
            {"fx": "y"},
        ),
        (
            {"source_labels": ["a"], "regex": "(?P<n>.)oo", "target_label": "d", "replacement": "$n"},
            {"d": "f"},
        ),
        ({"source_labels": ["none"], "target_label": "a"}, {"a": None}),
        ({"action": "drop", "source_labels": ["a"], "regex": ".*o.*"}, None),
        ({"action": "drop", "source_labels": ["a"], "regex": "o"}, {}),
        ({"action": "keep", "source_labels": ["a"], "regex": "foo|x"}, {}),
        ({"action": "keep", "source_labels": ["a"], "regex": "fo"}, None),
        ({"action": "keepequal", "source_labels": ["a"], "target_label": "b"}, None),
        ({"action": "dropequal", "source_labels": ["a"], "target_label": "b"}, {}),
        (
            {
                "action": "hashmod",
                "source_labels": ["c"],
                "target_label": "d",
                "separator": ";",
                "modulus": 1000,
            },
            {"d": "976"},
        ),
        ({"action": "labelmap", "regex": "(a|b)", "replacement": "x_$1"}, {"x_a": "foo", "x_b": "bar"}),
        ({"action": "labeldrop", "regex": "a|b"}, {"a": None, "b": None}),
        ({"action": "labelkeep", "regex": "a"}, {"b": None, "c": None}),
        ({"action": "uppercase", "source_labels": ["a"], "target_label": "d"}, {"d": "FOO"}),
    ],
)
def test_a_rule(rule: dict[str, Any], expected: dict[str, str | None] | None):
    found = apply(LABELS, [Rule(**rule)])
    if expected is None:
        assert found is None
    else:
        wanted = {**LABELS, **expected}
        assert found == {name: value for name, value in wanted.items() if value is not None}


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "replace", "source_labels": ["a"]},
        {"action": "hashmod", "target_label": "a"},
        {"action": "no such"},
        {"regex": "(", "target_label": "a"},
        {"regex": r"(a)\1", "target_label": "a"},
        {"sorce_labels": ["a"], "target_label": "b"},
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: dict[str, Any]):
    with pytest.raises(ValidationError):
        Rule(**rule)
