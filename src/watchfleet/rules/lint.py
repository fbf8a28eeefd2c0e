"""What is no fault in a rule file and may still be a slip."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from watchfleet.errors import ConfigError
from watchfleet.promql.nodes import Binary, Node, VectorSelector, children, unwrap
from watchfleet.rules.model import Rule, RuleFile, RuleKind

_VALUE: Final = re.compile(r"\{\{[^}]*(?:\$value|\.Value)\b")


def warnings_of(files: Iterable[RuleFile]) -> list[ConfigError]:
    """What is worth another look in some rule files that are loaded together, each with its place."""
    rules = [rule for file in files for group in file.groups for rule in group.rules]
    found = [*_twice(rules), *(warning for rule in rules for warning in _of_rule(rule))]
    return sorted(found, key=lambda one: (str(one.path), one.line or 0, one.column or 0))


def _warning(rule: Rule, message: str, mend: str) -> ConfigError:
    return ConfigError(message, path=rule.at.path, line=rule.at.line, column=rule.at.column, mend=mend)


def _twice(rules: Iterable[Rule]) -> Iterator[ConfigError]:
    """Recording rules that write the same series, and alerting rules that are the same altogether."""
    seen: dict[object, Rule] = {}
    for rule in rules:
        key = (rule.kind, rule.name, frozenset(rule.labels.items()))
        known = seen.setdefault(key if rule.kind is RuleKind.RECORD else (key, str(rule.expr)), rule)
        if known is not rule:
            mend = "drop one, or tell them apart by a label"
            yield _warning(rule, f"{rule.name} stands there already, at {known.at}", mend)


def _of_rule(rule: Rule) -> Iterator[ConfigError]:
    if not _looks_at_series(rule.expr.root):
        mend = "it is the same at any time, and no series can resolve it"
        yield _warning(rule, f"{rule.name}: the expression looks at no series", mend)
    if rule.kind is RuleKind.RECORD:
        return
    root = unwrap(rule.expr.root)
    if isinstance(root, Binary) and root.returns_bool:
        cause = f"{rule.name}: `{root.op} bool` answers 0 or 1, and an alert is true for both"
        yield _warning(rule, cause, "leave out bool")
    for name, template in rule.labels.items():
        if _VALUE.search(template):
            cause = f"{rule.name}: the label {name} holds the value, so with each value it is another alert"
            yield _warning(rule, cause, "put the value into an annotation")


def _looks_at_series(root: Node) -> bool:
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, VectorSelector):
            return True
        pending += children(node)
    return False
