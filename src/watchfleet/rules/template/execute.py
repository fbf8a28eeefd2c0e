"""Carries a template out, as Go's `text/template` does with `missingkey=zero`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from watchfleet.errors import WatchfleetError
from watchfleet.promql.format import quote
from watchfleet.rules.template.builtins import TemplateFunction
from watchfleet.rules.template.errors import TemplateError
from watchfleet.rules.template.limits import DEEPEST_CALLS, LARGEST_TEXT, MOST_STEPS
from watchfleet.rules.template.nodes import (
    Action,
    Bool,
    Branch,
    Call,
    Chain,
    Command,
    Dot,
    Field,
    Function,
    Jump,
    Nil,
    Node,
    Number,
    Operand,
    Pipe,
    String,
    Template,
    Text,
    Variable,
)
from watchfleet.rules.template.printing import printed
from watchfleet.rules.template.times import METHODS
from watchfleet.rules.template.types import constant, converted
from watchfleet.rules.template.values import FIELDS, Anything, Texts, go_type, truth

_Flow = Literal["", "break", "continue"]
_MISSING: Final = object()
"""That no value came down the pipe."""
_Scope = list[tuple[str, Any]]
_Given = tuple[Sequence[Operand], Any]
"""Arguments as they are written, and what came down the pipe after them."""


class ExecutionError(TemplateError):
    """A template cannot be carried out.

    Args:
        cause: What is wrong.
        template: Which of the templates in it was being carried out.
        node: The text of what was being evaluated.
        offset: Where that stands.
    """

    def __init__(self, cause: str, template: str, node: str, offset: int) -> None:
        super().__init__(cause, offset)
        self.template, self.node = template, node


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
    execution = _Execution(template, functions)
    execution.run(template.name, data, [("$", data), *variables.items()])
    return "".join(execution.pieces)


class _Execution:
    def __init__(self, template: Template, functions: Mapping[str, TemplateFunction]) -> None:
        self._template, self._functions = template, functions
        self.pieces: list[str] = []
        self._size, self._steps, self._name, self._depth = 0, 0, template.name, 0
        self._scope: _Scope = []

    def run(self, name: str, data: Any, scope: _Scope) -> None:
        """Carry out one of the templates."""
        outer = self._name, self._scope
        self._name, self._scope = name, scope
        self._depth += 1
        self._list(data, self._template.trees[name])
        self._depth -= 1
        self._name, self._scope = outer

    def _fail(self, node: Any, cause: str) -> ExecutionError:
        return ExecutionError(cause, self._name, str(node), node.offset)

    def _step(self, node: Any) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise self._fail(node, f"more than {MOST_STEPS} steps")

    def _write(self, node: Any, text: str) -> None:
        self._size += len(text)
        if self._size > LARGEST_TEXT:
            raise self._fail(node, f"more than {LARGEST_TEXT} characters of text")
        self.pieces.append(text)

    def _list(self, dot: Any, nodes: Iterable[Node]) -> _Flow:
        for node in nodes:
            flow = self._walk(dot, node)
            if flow:
                return flow
        return ""

    def _walk(self, dot: Any, node: Node) -> _Flow:
        self._step(node)
        match node:
            case Text():
                self._write(node, node.text)
            case Action():
                value = self._pipe(dot, node.pipe)
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
        mark = len(self._scope)
        if node.kind == "range":
            flow = self._range(dot, node)
        else:
            value = self._pipe(dot, node.pipe)
            inner = value if node.kind == "with" else dot
            flow = self._list(inner, node.body) if truth(value) else self._list(dot, node.otherwise)
        del self._scope[mark:]
        return flow

    def _range(self, dot: Any, node: Branch) -> _Flow:
        value = self._pipe(dot, node.pipe, binds=False)
        items = self._items(node, value)
        if not items:
            return self._list(dot, node.otherwise)
        mark = len(self._scope)
        for key, item in items:
            self._step(node)
            self._bind_loop(node.pipe, key, item)
            flow = self._list(item, node.body)
            del self._scope[mark:]
            if flow == "break":
                break
        return ""

    def _bind_loop(self, pipe: Pipe, key: Any, item: Any) -> None:
        values = (item,) if len(pipe.variables) == 1 else (key, item)
        for name, value in zip(pipe.variables, values, strict=False):
            self._bind(pipe, name, value)

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
                    raise self._fail(node.pipe, f"more than {MOST_STEPS} steps")
                return [(number, number) for number in range(value)]
        raise self._fail(node.pipe, f"range can't iterate over {printed(value)}")

    def _call(self, dot: Any, node: Call) -> None:
        if node.name not in self._template.trees:
            raise self._fail(node, f"template {quote(node.name)} not defined")
        if self._depth >= DEEPEST_CALLS:
            raise self._fail(node, f"exceeded maximum template depth ({DEEPEST_CALLS})")
        data = self._pipe(dot, node.pipe) if node.pipe else None
        self.run(node.name, data, [("$", data)])

    def _pipe(self, dot: Any, pipe: Pipe, *, binds: bool = True) -> Any:
        value: Any = _MISSING
        for command in pipe.commands:
            value = self._command(dot, command, value)
        if binds:
            for name in pipe.variables:
                self._bind(pipe, name, value)
        return value

    def _bind(self, pipe: Pipe, name: str, value: Any) -> None:
        if not pipe.assigns:
            self._scope.append((name, value))
            return
        for place in reversed(range(len(self._scope))):
            if self._scope[place][0] == name:
                self._scope[place] = name, value
                return
        raise self._fail(pipe.commands[-1].args[0], f"undefined variable: {name}")

    def _command(self, dot: Any, command: Command, final: Any) -> Any:
        self._step(command)
        first = command.args[0]
        match first:
            case Field():
                return self._fields(dot, first, first.names, dot, (command.args[1:], final))
            case Chain():
                return self._fields(
                    dot, first, first.names, self._operand(dot, first.operand), (command.args[1:], final)
                )
            case Variable():
                value = self._variable(first)
                return self._fields(dot, first, first.names, value, (command.args[1:], final))
            case Function():
                return self._function(dot, first, command, command.args[1:], final)
        if len(command.args) > 1 or final is not _MISSING:
            raise self._fail(first, f"can't give argument to non-function {first}")
        if isinstance(first, Nil):
            raise self._fail(command, "nil is not a command")
        return self._operand(dot, first)

    def _operand(self, dot: Any, node: Operand) -> Any:
        """An operand's value where any type will do."""
        match node:
            case Dot():
                return dot
            case Nil():
                return None
            case Bool() | String():
                return node.value
            case Number():
                return self._constant(node)
            case Pipe():
                return self._pipe(dot, node)
        return self._command(dot, Command((node,), node.offset), _MISSING)

    def _constant(self, node: Number) -> Any:
        try:
            return constant(node, "any")
        except TemplateError as error:
            raise self._fail(node, error.cause) from error

    def _variable(self, node: Variable) -> Any:
        for name, value in reversed(self._scope):
            if name == node.name:
                return value
        raise self._fail(node, f"undefined variable: {node.name}")

    def _fields(self, dot: Any, node: Any, names: Sequence[str], value: Any, given: _Given) -> Any:
        """Fields of a value; arguments are for the last one, if it is a method."""
        args, final = given
        if not names and (args or final is not _MISSING):
            raise self._fail(node, f"can't give argument to non-function {node}")
        for place, name in enumerate(names):
            last = place == len(names) - 1
            value = self._field(dot, node, name, value, given if last else ((), _MISSING))
        return value

    def _field(self, dot: Any, node: Any, name: str, value: Any, given: _Given) -> Any:
        method = METHODS.get(type(value), {}).get(name)
        if method is not None:
            takes, does = method
            function = TemplateFunction(lambda *values: does(value, *values), takes)
            return self._apply(dot, function, name, node, given)
        if isinstance(value, Texts | Anything):
            found = value.get(name, "" if isinstance(value, Texts) else None)
        elif name in (fields := FIELDS.get(type(value), {})):
            found = getattr(value, fields[name])
        elif value is None:
            raise self._fail(node, f"nil data; no entry for key {quote(name)}")
        else:
            raise self._fail(node, f"can't evaluate field {name} in type {go_type(value)}")
        if given[0] or given[1] is not _MISSING:
            is_key = isinstance(value, dict)
            cause = (
                "is not a method but has arguments"
                if is_key
                else "has arguments but cannot be invoked as function"
            )
            raise self._fail(node, f"{name} {cause}")
        return found

    def _function(
        self, dot: Any, node: Function, command: Command, args: Sequence[Operand], final: Any
    ) -> Any:
        function = self._functions[node.name]
        if node.name in {"and", "or"}:
            return self._short_circuit(dot, node, args, final)
        return self._apply(dot, function, node.name, command if args else node, (args, final))

    def _short_circuit(self, dot: Any, node: Function, args: Sequence[Operand], final: Any) -> Any:
        """`and` and `or` evaluate arguments only up to the one that decides."""
        if not args and final is _MISSING:
            raise self._fail(node, f"wrong number of args for {node.name}: want at least 1 got 0")
        value: Any = final
        for arg in args:
            value = self._operand(dot, arg)
            if truth(value) == (node.name == "or"):
                return value
        return value if final is _MISSING else final

    def _apply(self, dot: Any, function: TemplateFunction, name: str, node: Any, given: _Given) -> Any:
        self._step(node)
        args, final = given
        count = len(args) + (final is not _MISSING)
        self._check_count(function, name, node.args[0] if isinstance(node, Command) else node, count)
        types = [*function.takes, *[function.rest or ""] * (count - len(function.takes))]
        values = [self._argument(dot, arg, kind) for arg, kind in zip(args, types, strict=False)]
        if final is not _MISSING:
            values.append(self._converted(node, final, types[-1]))
        try:
            result = function.call(*values)
        except WatchfleetError as error:
            raise self._fail(node, f"error calling {name}: {error}") from error
        if isinstance(result, str) and len(result) > LARGEST_TEXT:
            raise self._fail(node, f"more than {LARGEST_TEXT} characters of text")
        return result

    def _check_count(self, function: TemplateFunction, name: str, node: Any, given: int) -> None:
        wanted = len(function.takes)
        if function.rest is None and given != wanted:
            raise self._fail(node, f"wrong number of args for {name}: want {wanted} got {given}")
        if given < wanted:
            raise self._fail(node, f"wrong number of args for {name}: want at least {wanted} got {given}")

    def _argument(self, dot: Any, node: Operand, kind: str) -> Any:
        self._step(node)
        if isinstance(node, Number):
            try:
                return constant(node, kind)
            except TemplateError as error:
                raise self._fail(node, error.cause) from error
        return self._converted(node, self._operand(dot, node), kind)

    def _converted(self, node: Any, value: Any, kind: str) -> Any:
        try:
            return converted(value, kind, literal=str(node) if isinstance(node, Bool | Nil | String) else "")
        except TemplateError as error:
            raise self._fail(node, error.cause) from error
