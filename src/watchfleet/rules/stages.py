"""Which rules of a group may be read for at once."""

from collections.abc import Iterator, Sequence

from watchfleet.promql.labels import NAME
from watchfleet.promql.nodes import Node, VectorSelector, children
from watchfleet.rules.prepared import PreparedRule


def stages(rules: Sequence[PreparedRule]) -> Iterator[list[PreparedRule]]:
    """The rules in their order, in parts: no rule of a part reads what another one of it records."""
    part: list[PreparedRule] = []
    recorded: set[str] = set()
    for rule in rules:
        if recorded and any(_reads(selector, recorded) for selector in selectors(rule.rule.expr.root)):
            yield part
            part, recorded = [], set()
        part.append(rule)
        if not rule.alerts:
            recorded.add(rule.rule.name)
    if part:
        yield part


def selectors(root: Node) -> Iterator[VectorSelector]:
    """Every selector of an expression."""
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, VectorSelector):
            yield node
        pending += children(node)


def _reads(selector: VectorSelector, names: set[str]) -> bool:
    of_name = [matcher for matcher in selector.matchers if matcher.name == NAME]
    return any(all(matcher.matches(name) for matcher in of_name) for name in names)
