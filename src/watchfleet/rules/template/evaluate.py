"""Evaluates the pipes of a template: fields, variables, functions and their arguments."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from watchfleet.errors import WatchfleetError
from watchfleet.promql.format import quote
from watchfleet.rules.template.builtins import TemplateFunction
from watchfleet.rules.template.errors import TemplateError
from watchfleet.rules.template.limits import LARGEST_TEXT, MOST_STEPS
from watchfleet.rules.template.nodes import (
    Bool,
    Chain,
    Command,
    Dot,
    Field,
    Function,
    Nil,
    Number,
    Operand,
    Pipe,
    String,
    Variable,
)
from watchfleet.rules.template.times import METHODS
from watchfleet.rules.template.types import constant, converted
from watchfleet.rules.template.values import FIELDS, Anything, Texts, go_type, truth

_MISSING: Final = object()
"""That no value came down the pipe."""
Scope = list[tuple[str, Any]]
"""Variables and their values."""
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


class Evaluator:
    """What the pipes of one execution come to.

    Attributes:
        name: Which of the templates is being carried out.
        scope: Its variables, the latest last.

    Args:
        functions: Those that the template may call.
        name: The template that it begins with.
        scope: The variables that are there from the beginning.
    """

    def __init__(self, functions: Mapping[str, TemplateFunction], name: str, scope: Scope) -> None:
        self._functions, self._steps = functions, 0
        self.name, self.scope = name, scope

    def fail(self, node: Any, cause: str) -> ExecutionError:
        """The error that the template fails with at a node."""
        return ExecutionError(cause, self.name, str(node), node.offset)

    def step(self, node: Any) -> None:
        """Count a step.

        Raises:
            ExecutionError: It is one too many.
        """
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise self.fail(node, f"more than {MOST_STEPS} steps")

    def pipe(self, dot: Any, pipe: Pipe, *, binds: bool = True) -> Any:
        """What a pipe comes to; its variables get it, if it binds them.

        Raises:
            ExecutionError: It fails.
        """
        value: Any = _MISSING
        for command in pipe.commands:
            value = self._command(dot, command, value)
        if binds:
            for name in pipe.variables:
                self.bind(pipe, name, value)
        return value

    def bind(self, pipe: Pipe, name: str, value: Any) -> None:
        """Give a value to a variable of a pipe."""
        if not pipe.assigns:
            self.scope.append((name, value))
            return
        for place in reversed(range(len(self.scope))):
            if self.scope[place][0] == name:
                self.scope[place] = name, value
                return
        raise self.fail(pipe.commands[-1].args[0], f"undefined variable: {name}")

    def _command(self, dot: Any, command: Command, final: Any) -> Any:
        self.step(command)
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
            raise self.fail(first, f"can't give argument to non-function {first}")
        if isinstance(first, Nil):
            raise self.fail(command, "nil is not a command")
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
                return self.pipe(dot, node)
        return self._command(dot, Command((node,), node.offset), _MISSING)

    def _constant(self, node: Number) -> Any:
        try:
            return constant(node, "any")
        except TemplateError as error:
            raise self.fail(node, error.cause) from error

    def _variable(self, node: Variable) -> Any:
        for name, value in reversed(self.scope):
            if name == node.name:
                return value
        raise self.fail(node, f"undefined variable: {node.name}")

    def _fields(self, dot: Any, node: Any, names: Sequence[str], value: Any, given: _Given) -> Any:
        """Fields of a value; arguments are for the last one, if it is a method."""
        args, final = given
        if not names and (args or final is not _MISSING):
            raise self.fail(node, f"can't give argument to non-function {node}")
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
            raise self.fail(node, f"nil data; no entry for key {quote(name)}")
        else:
            raise self.fail(node, f"can't evaluate field {name} in type {go_type(value)}")
        if given[0] or given[1] is not _MISSING:
            is_key = isinstance(value, dict)
            cause = (
                "is not a method but has arguments"
                if is_key
                else "has arguments but cannot be invoked as function"
            )
            raise self.fail(node, f"{name} {cause}")
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
            raise self.fail(node, f"wrong number of args for {node.name}: want at least 1 got 0")
        value: Any = final
        for arg in args:
            value = self._operand(dot, arg)
            if truth(value) == (node.name == "or"):
                return value
        return value if final is _MISSING else final

    def _apply(self, dot: Any, function: TemplateFunction, name: str, node: Any, given: _Given) -> Any:
        self.step(node)
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
            raise self.fail(node, f"error calling {name}: {error}") from error
        if isinstance(result, str) and len(result) > LARGEST_TEXT:
            raise self.fail(node, f"more than {LARGEST_TEXT} characters of text")
        return result

    def _check_count(self, function: TemplateFunction, name: str, node: Any, given: int) -> None:
        wanted = len(function.takes)
        if function.rest is None and given != wanted:
            raise self.fail(node, f"wrong number of args for {name}: want {wanted} got {given}")
        if given < wanted:
            raise self.fail(node, f"wrong number of args for {name}: want at least {wanted} got {given}")

    def _argument(self, dot: Any, node: Operand, kind: str) -> Any:
        self.step(node)
        if isinstance(node, Number):
            try:
                return constant(node, kind)
            except TemplateError as error:
                raise self.fail(node, error.cause) from error
        return self._converted(node, self._operand(dot, node), kind)

    def _converted(self, node: Any, value: Any, kind: str) -> Any:
        try:
            return converted(value, kind, literal=str(node) if isinstance(node, Bool | Nil | String) else "")
        except TemplateError as error:
            raise self.fail(node, error.cause) from error
