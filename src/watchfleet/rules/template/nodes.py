"""The syntax tree of a template. A node's text is what Go's messages show of it."""

from dataclasses import dataclass
from typing import Literal

from watchfleet.promql.format import quote


@dataclass(frozen=True, slots=True)
class Text:
    """Text that goes out as it is."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`, what the template stands on."""

    offset: int

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Nil:
    """`nil`."""

    offset: int

    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, slots=True)
class Bool:
    """`true` or `false`."""

    value: bool
    offset: int

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True, slots=True)
class Number:
    """A number: whole if it may stand for an int, with a fraction if it must be a float64."""

    text: str
    whole: int | None
    value: float
    is_float: bool
    offset: int

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class String:
    """A text in quotes."""

    quoted: str
    value: str
    offset: int

    def __str__(self) -> str:
        return self.quoted


@dataclass(frozen=True, slots=True)
class Field:
    """`.Labels.job`: fields of what the template stands on."""

    names: tuple[str, ...]
    offset: int

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Variable:
    """`$labels.job`: a variable, and fields of it."""

    name: str
    names: tuple[str, ...]
    offset: int

    def __str__(self) -> str:
        return self.name + "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Chain:
    """`(query "up").Value`: fields of what an operand gives."""

    operand: "Operand"
    names: tuple[str, ...]
    offset: int

    def __str__(self) -> str:
        inner = f"({self.operand})" if isinstance(self.operand, Pipe) else str(self.operand)
        return inner + "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function."""

    name: str
    offset: int

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Command:
    """An operand and, if it is a function, its arguments."""

    args: tuple["Operand", ...]
    offset: int

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, each with the value of the one before as its last argument.

    Attributes:
        variables: What the value is given to; two for a range.
        assigns: Whether they are there already (`=`), rather than declared (`:=`).
    """

    variables: tuple[str, ...]
    assigns: bool
    commands: tuple[Command, ...]
    offset: int

    def __str__(self) -> str:
        names = ", ".join(self.variables)
        head = f"{names} {'=' if self.assigns else ':='} " if names else ""
        return head + " | ".join(map(str, self.commands))


@dataclass(frozen=True, slots=True)
class Action:
    """A pipe whose value goes out, unless it is given to a variable."""

    pipe: Pipe
    offset: int

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


@dataclass(frozen=True, slots=True)
class Branch:
    """`if`, `with` or `range`."""

    kind: Literal["if", "with", "range"]
    pipe: Pipe
    body: tuple["Node", ...]
    otherwise: tuple["Node", ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Jump:
    """`break` or `continue`."""

    kind: Literal["break", "continue"]
    offset: int


@dataclass(frozen=True, slots=True)
class Call:
    """`template "name" pipe`."""

    name: str
    pipe: Pipe | None
    offset: int

    def __str__(self) -> str:
        return f"{{{{template {quote(self.name)}{f' {self.pipe}' if self.pipe else ''}}}}}"


Operand = Dot | Nil | Bool | Number | String | Field | Variable | Chain | Function | Pipe
Node = Text | Action | Branch | Jump | Call


@dataclass(frozen=True, slots=True)
class Template:
    """A template and those that it defines.

    Attributes:
        name: Its own name, as messages have it.
        text: What was parsed.
        trees: The nodes of each template, by name.
    """

    name: str
    text: str
    trees: dict[str, tuple[Node, ...]]
