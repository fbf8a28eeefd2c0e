"""Carries a template out, as Go's `text/template` does with `missingkey=zero`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from watchfleet.promql.format import quote
from watchfleet.rules.template.builtins import TemplateFunction
from watchfleet.rules.template.evaluate import Evaluator, Scope
from watchfleet.rules.template.limits import DEEPEST_CALLS, LARGEST_TEXT, MOST_STEPS
from watchfleet.rules.template.nodes import (
    Action,
    Branch,
    Call,
    Jump,
    Node,
    Pipe,
    Template,
    Text,
)
from watchfleet.rules.template.printing import printed
from watchfleet.rules.template.values import truth

_Flow = Literal["", "break", "continue"]


def execute(
    template: Template, data: Any, functions: Mapping[str, TemplateFunction], variables: Mapping[str, Any]
) -> str:
    """The text that a template comes to.

    Args:
        template: What to carry out.
        data: What it stands on.
        functions: Those that it may call.
        variables: Those that are there from the beginning.

    Raises:
        ExecutionError: It fails; or it needs more than it may use.
    """
    scope: Scope = [("$", data), *variables.items()]
    execution = _Execution(template, Evaluator(functions, template.name, scope))
    execution.run(template.name, data, scope)
    return "".join(execution.pieces)


class _Execution:
    def __init__(self, template: Template, evaluator: Evaluator) -> None:
        self._template, self._evaluator = template, evaluator
        self.pieces: list[str] = []
        self._size, self._depth = 0, 0

    def _write(self, node: Any, text: str) -> None:
        self._size += len(text)
        if self._size > LARGEST_TEXT:
            raise self._evaluator.fail(node, f"more than {LARGEST_TEXT} characters of text")
        self.pieces.append(text)

    def run(self, name: str, data: Any, scope: Scope) -> None:
        """Carry out one of the templates."""
        outer = self._evaluator.name, self._evaluator.scope
        self._evaluator.name, self._evaluator.scope = name, scope
        self._depth += 1
        self._list(data, self._template.trees[name])
        self._depth -= 1
        self._evaluator.name, self._evaluator.scope = outer

    def _list(self, dot: Any, nodes: Iterable[Node]) -> _Flow:
        for node in nodes:
            flow = self._walk(dot, node)
            if flow:
                return flow
        return ""

    def _walk(self, dot: Any, node: Node) -> _Flow:
        self._evaluator.step(node)
        match node:
            case Text():
                self._write(node, node.text)
            case Action():
                value = self._evaluator.pipe(dot, node.pipe)
                if not node.pipe.variables:
                    self._write(node, printed(value))
            case Branch():
                return self._branch(dot, node)
            case Jump():
                return node.kind
            case Call():
                self._call(dot, node)
        return ""

    def _branch(self, dot: Any, node: Branch) -> _Flow:
        mark = len(self._evaluator.scope)
        if node.kind == "range":
            flow = self._range(dot, node)
        else:
            value = self._evaluator.pipe(dot, node.pipe)
            inner = value if node.kind == "with" else dot
            flow = self._list(inner, node.body) if truth(value) else self._list(dot, node.otherwise)
        del self._evaluator.scope[mark:]
        return flow

    def _range(self, dot: Any, node: Branch) -> _Flow:
        value = self._evaluator.pipe(dot, node.pipe, binds=False)
        items = self._items(node, value)
        if not items:
            return self._list(dot, node.otherwise)
        mark = len(self._evaluator.scope)
        for key, item in items:
            self._evaluator.step(node)
            self._bind_loop(node.pipe, key, item)
            flow = self._list(item, node.body)
            del self._evaluator.scope[mark:]
            if flow == "break":
                break
        return ""

    def _bind_loop(self, pipe: Pipe, key: Any, item: Any) -> None:
        values = (item,) if len(pipe.variables) == 1 else (key, item)
        for name, value in zip(pipe.variables, values, strict=False):
            self._evaluator.bind(pipe, name, value)

    def _items(self, node: Branch, value: Any) -> Sequence[tuple[Any, Any]]:
        match value:
            case None:
                return ()
            case dict():
                return [(key, value[key]) for key in sorted(value)]
            case list():
                return list(enumerate(value))
            case int() if not isinstance(value, bool):
                if value > MOST_STEPS:
                    raise self._evaluator.fail(node.pipe, f"more than {MOST_STEPS} steps")
                return [(number, number) for number in range(value)]
        raise self._evaluator.fail(node.pipe, f"range can't iterate over {printed(value)}")

    def _call(self, dot: Any, node: Call) -> None:
        if node.name not in self._template.trees:
            raise self._evaluator.fail(node, f"template {quote(node.name)} not defined")
        if self._depth >= DEEPEST_CALLS:
            raise self._evaluator.fail(node, f"exceeded maximum template depth ({DEEPEST_CALLS})")
        data = self._evaluator.pipe(dot, node.pipe) if node.pipe else None
        self.run(node.name, data, [("$", data)])
