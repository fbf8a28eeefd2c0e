"""Relabelling: rules that change, keep or drop label sets, with Prometheus's meaning.

Source: `relabel_config` in Prometheus's documentation, and its package `model/relabel`.
"""

import re
from collections.abc import Sequence
from hashlib import md5
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from watchfleet.patterns import PatternError, compile_pattern, expand, full_match
from watchfleet.probes.probe import Options

Labels = dict[str, str]

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NEEDS_TARGET: Final = {"replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"}


def _known_pattern(pattern: str) -> str:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        raise ValueError(f"{pattern!r} is no regular expression of RE2") from error
    return pattern


class Rule(Options):
    """One rule of `relabel_configs` or `metric_relabel_configs`."""

    action: Literal[
        "replace",
        "keep",
        "drop",
        "keepequal",
        "dropequal",
        "hashmod",
        "labelmap",
        "labeldrop",
        "labelkeep",
        "lowercase",
        "uppercase",
    ] = Field("replace", description="What to do when the regex matches.")
    source_labels: list[str] = Field(
        default_factory=list, description="Labels whose values are joined and matched."
    )
    separator: str = Field(";", description="Goes between the joined values.")
    regex: Annotated[str, AfterValidator(_known_pattern)] = Field(
        "(.*)", description="What must match the whole joined value; RE2's syntax."
    )
    target_label: str = Field("", description="The label to set; may hold $1 with `replace`.")
    replacement: str = Field("$1", description="What to set it to, or what to name mapped labels.")
    modulus: int = Field(0, ge=0, description="What `hashmod` divides the hash by.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.action in _NEEDS_TARGET and not self.target_label:
            raise ValueError(f"{self.action} needs a target_label")
        if self.action == "hashmod" and not self.modulus:
            raise ValueError("hashmod needs a modulus")
        return self


def apply(labels: Labels, rules: Sequence[Rule]) -> Labels | None:
    """The label set after all rules; None if a rule drops it. The given one stays as it is."""
    changed = dict(labels)
    for rule in rules:
        kept = _ACTIONS[rule.action](changed, rule)
        if not kept:
            return None
    return {name: value for name, value in changed.items() if value}


def _joined(labels: Labels, rule: Rule) -> str:
    return rule.separator.join([labels.get(name, "") for name in rule.source_labels])


def _matches(text: str, rule: Rule) -> Any:
    return full_match(compile_pattern(rule.regex), text)


def _replace(labels: Labels, rule: Rule) -> bool:
    found = _matches(_joined(labels, rule), rule)
    if found is not None:
        target = expand(rule.target_label, found)
        if _LABEL.fullmatch(target):
            labels[target] = expand(rule.replacement, found)
    return True


def _keep(labels: Labels, rule: Rule) -> bool:
    return _matches(_joined(labels, rule), rule) is not None


def _drop(labels: Labels, rule: Rule) -> bool:
    return not _keep(labels, rule)


def _keep_equal(labels: Labels, rule: Rule) -> bool:
    return _joined(labels, rule) == labels.get(rule.target_label, "")


def _drop_equal(labels: Labels, rule: Rule) -> bool:
    return not _keep_equal(labels, rule)


def _hashmod(labels: Labels, rule: Rule) -> bool:
    digest = md5(_joined(labels, rule).encode(), usedforsecurity=False).digest()
    labels[rule.target_label] = str(int.from_bytes(digest[8:]) % rule.modulus)
    return True


def _map(labels: Labels, rule: Rule) -> bool:
    for name, value in list(labels.items()):
        found = _matches(name, rule)
        if found is not None:
            labels[expand(rule.replacement, found)] = value
    return True


def _drop_labels(labels: Labels, rule: Rule) -> bool:
    for name in [name for name in labels if _matches(name, rule) is not None]:
        del labels[name]
    return True


def _keep_labels(labels: Labels, rule: Rule) -> bool:
    for name in [name for name in labels if _matches(name, rule) is None]:
        del labels[name]
    return True


def _lower(labels: Labels, rule: Rule) -> bool:
    labels[rule.target_label] = _joined(labels, rule).lower()
    return True


def _upper(labels: Labels, rule: Rule) -> bool:
    labels[rule.target_label] = _joined(labels, rule).upper()
    return True


_ACTIONS: Final = {
    "replace": _replace,
    "keep": _keep,
    "drop": _drop,
    "keepequal": _keep_equal,
    "dropequal": _drop_equal,
    "hashmod": _hashmod,
    "labelmap": _map,
    "labeldrop": _drop_labels,
    "labelkeep": _keep_labels,
    "lowercase": _lower,
    "uppercase": _upper,
}
"""Each changes the labels in place and tells whether they are kept."""
